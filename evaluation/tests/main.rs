//! The crate against the fixtures and their goldens, against Pillow, and against bad input.

#[cfg(test)]
mod data;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod factor_gradients;
#[cfg(test)]
mod families;
#[cfg(test)]
mod fisher;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod gradients;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod llama;
#[cfg(test)]
mod look;
#[cfg(test)]
mod mini8;
#[cfg(test)]
mod model;
#[cfg(test)]
mod nli6;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod padding;
#[cfg(test)]
mod parquet_file;
#[cfg(test)]
mod parquet_pages;
#[cfg(test)]
mod precision;
#[cfg(test)]
mod text;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod train;
#[cfg(test)]
mod tune;
