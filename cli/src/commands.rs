pub(crate) mod analyze;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod heads;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod status;
