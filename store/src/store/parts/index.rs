use jobs::{Digest, JobId};

/// What an index begins with: what it is, and its version.
const MAGIC: &[u8; 8] = b"bljobs\0\x01";
const DIGEST_BYTES: usize = 32;

/// The jobs of a part: [`MAGIC`], the digest of what follows, and the jobs' ids, 32 bytes each, ascending.
pub(super) fn encode(mut jobs: Vec<JobId>) -> Vec<u8> {
    jobs.sort_unstable();
    jobs.dedup();
    let ids: Vec<u8> = jobs.iter().flat_map(|job| *job.digest().as_bytes()).collect();
    [&MAGIC[..], Digest::of(&ids).as_bytes(), &ids].concat()
}

/// The jobs in an index.
///
/// # Errors
/// It is no index, or a damaged one. The part itself must be read then.
pub(super) fn decode(content: &[u8]) -> Result<Vec<JobId>, NoIndex> {
    let rest = content.strip_prefix(MAGIC).ok_or(NoIndex)?;
    let (digest, ids) = rest.split_at_checked(DIGEST_BYTES).ok_or(NoIndex)?;
    let (ids, rest) = ids.as_chunks::<DIGEST_BYTES>();
    let is_whole = rest.is_empty() && Digest::of(ids.as_flattened()).as_bytes() == digest;
    if is_whole { Ok(ids.iter().map(|id| Digest::from_bytes(*id).into()).collect()) } else { Err(NoIndex) }
}

/// Not an index, or not a complete one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoIndex;

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(count: u8) -> Vec<JobId> {
        (0..count).map(|number| Digest::of(&[number]).into()).collect()
    }

    #[test]
    fn an_index_reads_back_sorted_and_without_doubles() {
        let mut sorted = jobs(100);
        sorted.sort_unstable();
        assert_eq!(decode(&encode([jobs(100), jobs(50)].concat())), Ok(sorted));
        assert_eq!(decode(&encode(Vec::new())), Ok(Vec::new()));
    }

    #[test]
    fn a_damaged_index_is_none() {
        let whole = encode(jobs(3));
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), Err(NoIndex), "{length} bytes");
        }
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert_eq!(decode(&damaged), Err(NoIndex), "byte {position}");
        }
    }
}
