use std::fmt;

/// A number of bytes as people read it: MiB, or GiB with one decimal.
///
/// It is rounded up, so that a need is never shown as smaller than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        if self.0 <= GIB - MIB {
            return write!(f, "{} MiB", self.0.div_ceil(MIB));
        }
        let tenths = (u128::from(self.0) * 10).div_ceil(u128::from(GIB));
        write!(f, "{}.{} GiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        let shown = |bytes| ByteSize(bytes).to_string();
        assert_eq!(shown(0), "0 MiB");
        assert_eq!(shown(1), "1 MiB");
        assert_eq!(shown((1 << 20) + 1), "2 MiB");
        assert_eq!(shown((1 << 30) - 1), "1.0 GiB");
        assert_eq!(shown(1 << 30), "1.0 GiB");
        assert_eq!(shown((1 << 30) + 1), "1.1 GiB");
        assert_eq!(shown(u64::MAX), "17179869184.0 GiB");
    }
}
