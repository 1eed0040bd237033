use crate::{
    args::{self, SchemaOf},
    failure::Failure,
    terminal,
};

/// `bowline schema`: the JSON schema of a file that people write.
pub(crate) fn run(args: &args::Schema) -> Result<(), Failure> {
    let schema = match args.of {
        SchemaOf::Sweep => jobs::sweep_schema(),
        SchemaOf::Recipe => jobs::recipe_schema(),
    };
    terminal::data(format_args!("{schema:#}"));
    Ok(())
}
