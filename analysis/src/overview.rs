use crate::{Chart, Summary, Table, Variants, tables::escaped_html};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Every table and chart of several sweeps in one page.
///
/// The page has no script and loads nothing. Charts are drawings in it; [`Report`](crate::Report) is the page of one
/// sweep, in which one can search and sort.
#[derive(Debug)]
pub struct Overview<'a> {
    /// The sweeps, in the order of the page.
    pub sweeps: &'a [OverviewSweep<'a>],
}

/// A sweep of an [`Overview`].
#[derive(Debug)]
pub struct OverviewSweep<'a> {
    /// What it came to.
    pub summary: &'a Summary,
    /// Its tables; empty ones are left out.
    pub tables: &'a [Table],
    /// Its charts.
    pub charts: &'a [Chart],
    /// Where its own report lies, as an address relative to the page.
    pub report: String,
}

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1a1a1a; }
h2 { margin-top: 3rem; border-bottom: 1px solid #bbb; }
table { border-collapse: collapse; margin-top: 2rem; font-size: 13px; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; white-space: nowrap; }
th, td { padding: .15rem .6rem; text-align: left; white-space: nowrap; }
th { border-bottom: 1px solid #888; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.chosen td { background: #eef4fb; }
.notes { color: #555; font-size: 13px; }
figure { margin: 2rem 0; }
figure img { max-width: 100%; width: 44rem; height: auto; }
";

impl Overview<'_> {
    /// The page, whole.
    pub fn html(&self) -> String {
        let variants = Variants::of(self.sweeps.iter().map(|sweep| sweep.summary));
        let of_variants = variants.iter().map(|variants| contents_line(&id_of(variants), variants.file()));
        let of_sweeps = self.sweeps.iter().map(|sweep| sweep.summary.sweep.as_str());
        let contents: String = of_variants.chain(of_sweeps.map(|name| contents_line(name, name))).collect();
        let sections: String = variants.iter().map(variants_section).chain(self.sweeps.iter().map(section)).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Bowline</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{} sweeps</h1>\n<ul>\n{contents}</ul>\n{sections}</body>\n</html>\n",
            self.sweeps.len()
        )
    }
}

fn contents_line(id: &str, name: &str) -> String {
    let id = escaped_html(id);
    let name = escaped_html(name);
    format!("<li><a href=\"#{id}\">{name}</a></li>\n")
}

/// The id of the section about variants. No sweep has this name, since names have no colon.
fn id_of(variants: &Variants<'_>) -> String {
    format!("variants:{}:{}", variants.file(), variants.key())
}

/// The variants of a sweep file side by side.
fn variants_section(variants: &Variants<'_>) -> String {
    let name = escaped_html(variants.file());
    let chart = variants.chart().as_ref().map(figure).unwrap_or_default();
    let id = escaped_html(&id_of(variants));
    let key = escaped_html(variants.key());
    format!("<section id=\"{id}\">\n<h2>{name} by {key}</h2>\n{}{chart}</section>\n", variants.table().html())
}

/// What a sweep shows itself. The variants of its file have a section of their own.
fn section(sweep: &OverviewSweep<'_>) -> String {
    let name = escaped_html(&sweep.summary.sweep);
    let tasks = escaped_html(&sweep.summary.tasks.join(", "));
    let is_shown = |table: &&Table| !table.rows.is_empty() && !Variants::is_table(table);
    let tables: String = sweep.tables.iter().filter(is_shown).map(Table::html).collect();
    let charts: String = sweep.charts.iter().filter(|chart| chart.slug != Variants::CHART).map(figure).collect();
    let report = escaped_html(&sweep.report);
    format!(
        "<section id=\"{name}\">\n<h2>{name}</h2>\n<p>Tasks: {tasks}. <a href=\"{report}\">Report of this sweep</a></p>\n\
         {tables}{charts}</section>\n"
    )
}

/// As an image of its own, a drawing shares no names of parts with others.
fn figure(chart: &Chart) -> String {
    let title = escaped_html(&chart.title);
    let svg = STANDARD.encode(chart.svg());
    format!("<figure><img alt=\"{title}\" src=\"data:image/svg+xml;base64,{svg}\"></figure>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Column, ColumnKind, TableRow, testing::Made};

    #[test]
    fn every_section_has_an_id_of_its_own() {
        let mut all = crate::testing::variants(&[4, 16]);
        // A sweep without variants has the name of the file, and another file of this name has another key.
        all.push(Summary { variant: None, sweep: "small".to_owned(), ..all[0].clone() });
        let mut other = Summary { sweep: "small-kind-4".to_owned(), ..all[0].clone() };
        other.variant.as_mut().unwrap().key = "kind".to_owned();
        all.push(other);
        let sweep = |summary| OverviewSweep { summary, tables: &[], charts: &[], report: String::new() };
        let sweeps: Vec<OverviewSweep<'_>> = all.iter().map(sweep).collect();
        let page = Overview { sweeps: &sweeps }.html();
        let ids: Vec<&str> = page.split("<section id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(
            ids,
            ["variants:small:rank", "variants:small:kind", "small-rank-4", "small-rank-16", "small", "small-kind-4"]
        );
        assert!(ids.iter().all(|id| page.matches(&format!("href=\"#{id}\"")).count() == 1));
    }

    #[test]
    fn text_of_results_is_text_of_the_page() {
        let made = Made::small();
        let mut summary = Summary::build(&made.outcome, &made.results, None);
        summary.tasks = vec!["<script>".to_owned()];
        let table = Table {
            name: "best".to_owned(),
            title: "a & b".to_owned(),
            columns: vec![Column::new("<b>", ColumnKind::Text), Column::new("mean", ColumnKind::Share)],
            rows: vec![TableRow { is_chosen: true, cells: vec![Cell::text("\"x\""), Cell::Number(0.5)] }],
            notes: vec!["1 < 2".to_owned()],
        };
        let tables = [table, Table::failures(&[])];
        let sweep =
            OverviewSweep { summary: &summary, tables: &tables, charts: &[], report: "small/report.html".to_owned() };
        let page = Overview { sweeps: &[sweep] }.html();
        for text in [
            "<caption>a &amp; b</caption>",
            "<th>&lt;b&gt;</th><th class=\"number\">mean</th>",
            "<tr class=\"chosen\"><td>&quot;x&quot;</td><td class=\"number\">50.0</td></tr>",
            "<li>1 &lt; 2</li>",
            "Tasks: &lt;script&gt;.",
        ] {
            assert!(page.contains(text), "no {text} in {page}");
        }
        assert_eq!(page.matches("<table>").count(), 1, "an empty table is left out");
        assert!(!page.contains("<script"));
    }
}
