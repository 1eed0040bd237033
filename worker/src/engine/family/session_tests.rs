//! Sessions of the examples, apart from an engine: on a device that is the processor, and in 16 bits.

mod bench;
mod device;
mod rounding;
