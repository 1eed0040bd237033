use crate::{
    analysed::Analysed,
    failure::{Failure, FileFailure},
    report, terminal,
};
use analysis::{Chart, Frame, Overview, OverviewSweep, Style, Table};
use std::{fs, path::Path};
use store::Store;

/// Writes the frame; tables, charts and report of each sweep; a page over all of them; and the tables of a comparison.
pub(super) async fn write(
    store: &Store,
    folder: &Path,
    frame: &Frame,
    analysed: &[Analysed],
    compared: Option<&[Table]>,
) -> Result<(), Failure> {
    if frame.is_empty() && analysed.is_empty() {
        terminal::note("there are no results to write a table of");
        return Ok(());
    }
    make(folder)?;
    let csv = folder.join("results.csv");
    let parquet = folder.join("results.parquet");
    frame.write_csv(&csv)?;
    frame.write_parquet(&parquet)?;
    terminal::note(format_args!("wrote {} and {}: {} rows", csv.display(), parquet.display(), frame.len()));
    let mut all_charts = Vec::with_capacity(analysed.len());
    for sweep in analysed {
        // The store has seen that it is the name of the folder that the sweep lies in, and thus no path.
        let folder = folder.join(file_name(&sweep.summary.sweep));
        write_tables(&folder.join("tables"), &sweep.tables)?;
        let mut charts = Chart::all(frame, &sweep.summary)?;
        charts.extend(sweep.other_charts.iter().cloned());
        write_charts(&folder.join("charts"), &charts)?;
        let path = folder.join(report::NAME);
        put(&path, report::page(store, frame, sweep, &charts).await.as_bytes())?;
        terminal::note(format_args!("wrote {}", path.display()));
        all_charts.push(charts);
    }
    write_overview(folder, analysed, &all_charts)?;
    compared.map_or(Ok(()), |tables| write_tables(folder, tables))
}

/// All tables and charts in one page, if there are several sweeps.
fn write_overview(folder: &Path, analysed: &[Analysed], charts: &[Vec<Chart>]) -> Result<(), Failure> {
    if analysed.len() < 2 {
        return Ok(());
    }
    let sweeps: Vec<OverviewSweep<'_>> = analysed
        .iter()
        .zip(charts)
        .map(|(sweep, charts)| OverviewSweep {
            summary: &sweep.summary,
            tables: &sweep.tables,
            charts,
            report: format!("{}/{}", file_name(&sweep.summary.sweep), report::NAME),
        })
        .collect();
    let path = folder.join(report::NAME);
    put(&path, Overview { sweeps: &sweeps }.html().as_bytes())?;
    terminal::note(format_args!("wrote {}, with all tables and charts of {} sweeps", path.display(), sweeps.len()));
    Ok(())
}

/// Each table in three files.
pub(crate) fn write_tables(folder: &Path, tables: &[Table]) -> Result<(), Failure> {
    make(folder)?;
    for table in tables {
        for (ending, style) in [("md", Style::Markdown), ("tex", Style::Latex), ("csv", Style::Csv)] {
            put(&folder.join(format!("{}.{ending}", file_name(&table.name))), table.render(style).as_bytes())?;
        }
    }
    terminal::note(format_args!("wrote {} tables to {}", tables.len(), folder.display()));
    Ok(())
}

/// Each chart in two files; no folder where there is none.
pub(crate) fn write_charts(folder: &Path, charts: &[Chart]) -> Result<(), Failure> {
    if charts.is_empty() {
        return Ok(());
    }
    make(folder)?;
    for chart in charts {
        put(&folder.join(format!("{}.svg", file_name(&chart.slug))), chart.svg().as_bytes())?;
        put(&folder.join(format!("{}.png", file_name(&chart.slug))), &chart.png()?)?;
    }
    terminal::note(format_args!("wrote {} charts to {}", charts.len(), folder.display()));
    Ok(())
}

/// A name of tables or charts, which holds names of stored documents, as that of a file in the folder and nowhere else.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.@= ".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|source| Failure::File(FileFailure::Write { path: path.to_owned(), source }))
}

fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|source| Failure::File(FileFailure::Write { path: folder.to_owned(), source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_leads_to_no_other_folder() {
        for (name, expected) in [
            ("accuracy-test", "accuracy-test"),
            ("accuracy-../../x", "accuracy-.._.._x"),
            ("/etc/passwd", "_etc_passwd"),
            ("..", "_.."),
            ("a\\b\n", "a_b_"),
        ] {
            assert_eq!(file_name(name), expected);
        }
    }
}
