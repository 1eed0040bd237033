use crate::tables::escaped_html as escaped;
use jobs::Digest;

const PAGE: &str = include_str!("../../assets/report/page.html");
const STYLE: &str = include_str!("../../assets/report/style.css");
/// Apache ECharts, cut down: `scripts/build-report-charts` makes it.
const ECHARTS: &str = include_str!("../../assets/charts/charts.min.js");
const SCRIPT: &str = concat!(
    include_str!("../../assets/report/dom.js"),
    include_str!("../../assets/report/theme.js"),
    include_str!("../../assets/report/tables.js"),
    include_str!("../../assets/report/looks.js"),
    include_str!("../../assets/report/labels.js"),
    include_str!("../../assets/report/axes.js"),
    include_str!("../../assets/report/drawing.js"),
    include_str!("../../assets/report/numbers.js"),
    include_str!("../../assets/report/charts.js"),
    include_str!("../../assets/report/page.js"),
);

/// The page of a sweep with its data, a JSON document.
///
/// The page's script makes text nodes of all that it shows, so these are the only two places where text of results
/// meets HTML. Scripts run by a nonce, the digest of the data: no text within them can know it.
pub(super) fn fill(sweep: &str, data: &str) -> String {
    let nonce = Digest::of(data.as_bytes()).to_string();
    // In JSON `<` stands within texts alone; without it nothing ends the element, nor begins a comment.
    let data = data.replace('<', r"\u003c");
    filled(PAGE, |slot| match slot {
        "title" => format!("{} · Bowline", escaped(sweep)),
        "nonce" => nonce.clone(),
        "style" => STYLE.to_owned(),
        "data" => data.clone(),
        "echarts" => ECHARTS.to_owned(),
        "script" => SCRIPT.to_owned(),
        _ => String::new(),
    })
}

/// The template with each `{{slot}}` replaced once; what replaces it is not looked at again.
fn filled(template: &str, content: impl Fn(&str) -> String) -> String {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (slot, after) = after.split_once("}}").unwrap_or((after, ""));
        page.push_str(before);
        page.push_str(&content(slot));
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_results_neither_ends_an_element_nor_fills_a_slot() {
        let page = fill("</title>{{style}}", r#"{"name":"</script><!--{{script}}<script>"}"#);
        assert!(page.contains("<title>&lt;/title&gt;{{style}} · Bowline</title>"));
        assert!(page.contains(r#"{"name":"\u003c/script>\u003c!--{{script}}\u003cscript>"}"#));
        let elements = |name: &str| page.matches(name).count();
        assert_eq!((elements("<script"), elements("</script>")), (3, 3));
    }

    #[test]
    fn the_page_names_nothing_that_a_browser_would_load() {
        let page = fill("small", "{}");
        // The name of a kind of element looks like an address, and is none.
        let own = page.replace(ECHARTS, "").replace("\"http://www.w3.org/2000/svg\"", "");
        for text in ["http:", "https:", "src=", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
            assert!(!own.contains(text), "{text}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
