use crate::{commands::sweeps::list, failure::Failure};
use analysis::escaped_html as escaped;
use std::fmt::Write;
use store::Store;

/// The page takes the place of the browser's own style; nothing is loaded.
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Sweeps · Bowline</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
a { color: LinkText; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .35rem .8rem .35rem 0; text-align: left; white-space: nowrap; }
/* On a telephone, cells take several lines, so that no column lies beyond the edge. */
@media (max-width: 40rem) { th, td { white-space: normal; } }
</style>
</head>
<body>
<main>
"#;

/// What follows the content.
const END: &str = "</main>\n</body>\n</html>\n";

/// The list of the sweeps of a store, each a link to its page.
pub(super) async fn index(store: &Store) -> Result<String, Failure> {
    let rows = list::rows(&list::all(store).await?);
    let mut page = HEAD.to_owned();
    // Writing to a string does not fail.
    let _ = writeln!(page, "<h1>Sweeps in {}</h1>", escaped(&store.place()));
    if rows.len() < 2 {
        page.push_str("<p>The store holds no sweep yet.</p>\n");
        page.push_str(END);
        return Ok(page);
    }
    page.push_str("<div class=\"scroll\"><table>\n");
    for (number, row) in rows.iter().enumerate() {
        page.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let text = escaped(cell);
            let _ = match (number, place) {
                (0, _) => write!(page, "<th scope=\"col\">{text}</th>"),
                // The name of a sweep is a path of its own: letters, digits, `-`, `_` and `.`.
                (_, 0) if jobs::is_name(cell) => write!(page, "<td><a href=\"/sweeps/{text}\">{text}</a></td>"),
                _ => write!(page, "<td>{text}</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
    page.push_str(END);
    Ok(page)
}
