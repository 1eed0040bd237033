use super::list::{Listed, aligned, listed, rows};
use crate::{args, commands::failures::frozen, failure::Failure, remote::existing_store, terminal};
use jobs::Sweep;
use serde::Serialize;
use store::Store;

/// What `sweeps show --json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    /// As `sweeps list` has it.
    #[serde(flatten)]
    listed: Listed,
    /// The checked sweep file of the newest revision.
    file: Sweep,
}

/// `bowline sweeps show NAME`
pub(super) async fn show(args: &args::SweepsShow) -> Result<(), Failure> {
    let store = existing_store(&args.sweep.store).await?;
    let name = &args.sweep.name;
    let file = frozen(&store, name).await?.sweep().clone();
    let listed = listed(&store, name.clone()).await?;
    if args.output.json {
        let shown = Shown { listed, file };
        terminal::data(serde_json::to_string_pretty(&shown).expect("a sweep is plain data"));
        return Ok(());
    }
    let [head, row] = two(rows(std::slice::from_ref(&listed)));
    head.iter().zip(&row).for_each(|(name, cell)| line(name, cell));
    line("base", &file.base.to_string());
    let tasks: Vec<[String; 3]> = file
        .tasks
        .iter()
        .map(|task| {
            [
                task.name.clone(),
                task.adapter.to_string(),
                task.data.as_ref().map_or_else(String::new, |data| data.source.to_string()),
            ]
        })
        .map(|cells| cells.map(|cell| jobs::escaped(&cell).into_owned()))
        .collect();
    aligned(&tasks).iter().enumerate().for_each(|(i, task)| line(if i == 0 { "tasks" } else { "" }, task));
    line("splits", &format!("chosen on `{}`, reported on `{}`", file.evaluation.select, file.evaluation.report));
    line("method", file.method.name());
    for (i, search) in file.searches.iter().enumerate() {
        let keys: Vec<&str> = search.parameters.iter().map(|parameter| parameter.key.as_str()).collect();
        let over = if keys.is_empty() { String::new() } else { format!(" over {}", keys.join(", ")) };
        line(if i == 0 { "searches" } else { "" }, &format!("{}{over}", search.name));
    }
    for (i, baseline) in file.baselines.iter().enumerate() {
        line(if i == 0 { "baselines" } else { "" }, &baseline.name);
    }
    places(&store, name).await
}

/// Where the report and the winner are.
async fn places(store: &Store, name: &str) -> Result<(), Failure> {
    let files = store.artefacts(name, None).await?;
    let has = |begin: &str| files.iter().any(|file| file.starts_with(begin));
    let folder = format!("{}/sweeps/{name}", store.place());
    if has(crate::report::NAME) {
        line("report", &format!("{folder}/{}", crate::report::NAME));
    }
    if has("best/") {
        line("winner", &format!("{folder}/best"));
    }
    Ok(())
}

fn two(mut rows: Vec<[String; 6]>) -> [[String; 6]; 2] {
    let row = rows.pop().unwrap_or_default();
    [rows.pop().unwrap_or_default(), row]
}

fn line(name: &str, text: &str) {
    terminal::data(format!("{name:<12} {}", jobs::escaped(text)).trim_end());
}
