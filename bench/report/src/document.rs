//! The report as headings, paragraphs, tables and figures, whatever it is written as.

use std::fmt::Write as _;

/// A part of the document. Text may have words in backticks, and no other markup.
pub enum Block {
    /// A heading; 1 is the document's title.
    Heading(usize, String),
    /// A paragraph.
    Text(String),
    /// Things one below the other.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// A drawing.
    Figure(Figure),
}

/// A table with its caption.
pub struct Table {
    /// What it shows, beginning with its number.
    pub caption: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// As many cells as there are columns, in each row.
    pub rows: Vec<Vec<String>>,
}

/// A drawing with its caption.
pub struct Figure {
    /// Name of its file, without ending.
    pub name: &'static str,
    /// What it shows, beginning with its number.
    pub caption: String,
    /// The drawing, an `svg` element.
    pub svg: String,
}

/// The whole report.
#[derive(Default)]
pub struct Document {
    blocks: Vec<Block>,
}

impl Document {
    /// Adds a heading.
    pub fn heading(&mut self, level: usize, text: impl Into<String>) {
        self.blocks.push(Block::Heading(level, text.into()));
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds a list; nothing if there is nothing in it.
    pub fn list(&mut self, items: Vec<String>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    /// Adds a table.
    pub fn table(&mut self, caption: impl Into<String>, columns: &[&str], rows: Vec<Vec<String>>) {
        self.blocks.push(Block::Table(Table {
            caption: caption.into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows,
        }));
    }

    /// Adds a drawing.
    pub fn figure(&mut self, name: &'static str, caption: impl Into<String>, svg: String) {
        self.blocks.push(Block::Figure(Figure {
            name,
            caption: caption.into(),
            svg,
        }));
    }

    /// All drawings.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }

    /// As Markdown, the drawings beside it in `figures/`.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for block in &self.blocks {
            match block {
                Block::Heading(level, heading) => {
                    let _ = writeln!(text, "{} {heading}\n", "#".repeat(*level));
                }
                Block::Text(paragraph) => {
                    let _ = writeln!(text, "{paragraph}\n");
                }
                Block::List(items) => {
                    for item in items {
                        let _ = writeln!(text, "- {item}");
                    }
                    text.push('\n');
                }
                Block::Table(table) => {
                    let _ = writeln!(text, "**{}**\n", table.caption);
                    let mut row = |cells: &[String]| {
                        let cells: Vec<_> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
                        let _ = writeln!(text, "| {} |", cells.join(" | "));
                    };
                    row(&table.columns);
                    row(&vec!["---".to_owned(); table.columns.len()]);
                    table.rows.iter().for_each(|cells| row(cells));
                    text.push('\n');
                }
                Block::Figure(figure) => {
                    let _ = writeln!(
                        text,
                        "![{caption}](figures/{name}.svg)\n\n*{caption}*\n",
                        caption = figure.caption,
                        name = figure.name
                    );
                }
            }
        }
        text
    }

    /// As one HTML page that needs no other file.
    pub fn to_html(&self) -> String {
        let title = self.blocks.iter().find_map(|block| match block {
            Block::Heading(1, title) => Some(title.as_str()),
            _ => None,
        });
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n",
            escaped(title.unwrap_or_default())
        );
        for block in &self.blocks {
            match block {
                Block::Heading(level, heading) => {
                    let _ = writeln!(page, "<h{level}>{}</h{level}>", marked_up(heading));
                }
                Block::Text(paragraph) => {
                    let _ = writeln!(page, "<p>{}</p>", marked_up(paragraph));
                }
                Block::List(items) => {
                    page += "<ul>\n";
                    for item in items {
                        let _ = writeln!(page, "<li>{}</li>", marked_up(item));
                    }
                    page += "</ul>\n";
                }
                Block::Table(table) => {
                    let _ = writeln!(
                        page,
                        "<div class=\"wide\"><table>\n<caption>{}</caption>",
                        marked_up(&table.caption)
                    );
                    let mut row = |cells: &[String], tag: &str| {
                        page += "<tr>";
                        for cell in cells {
                            let _ = write!(page, "<{tag}>{}</{tag}>", marked_up(cell));
                        }
                        page += "</tr>\n";
                    };
                    row(&table.columns, "th");
                    table.rows.iter().for_each(|cells| row(cells, "td"));
                    page += "</table></div>\n";
                }
                Block::Figure(figure) => {
                    let _ = writeln!(
                        page,
                        "<figure>\n{}\n<figcaption>{}</figcaption>\n</figure>",
                        figure.svg,
                        marked_up(&figure.caption)
                    );
                }
            }
        }
        page + "</body>\n</html>\n"
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
th, td { border: 1px solid #8888; padding: .2rem .5rem; text-align: left; vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { font-style: italic; }
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Words in backticks as code.
fn marked_up(text: &str) -> String {
    let mut html = String::new();
    for (i, piece) in text.split('`').enumerate() {
        let piece = escaped(piece);
        if i % 2 == 1 {
            let _ = write!(html, "<code>{piece}</code>");
        } else {
            html += &piece;
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_document_is_written_both_ways() {
        let mut document = Document::default();
        document.heading(1, "A & B");
        document.text("run `a < b`");
        document.table(
            "Table 1: x",
            &["a", "b"],
            vec![vec!["1|2".into(), "`c`".into()]],
        );
        document.figure("figure-3", "Figure 3: y", "<svg></svg>".into());
        let markdown = document.to_markdown();
        assert!(markdown.starts_with("# A & B\n\nrun `a < b`\n\n**Table 1: x**\n\n| a | b |\n"));
        assert!(
            markdown.contains("| --- | --- |\n| 1\\|2 | `c` |\n"),
            "{markdown}"
        );
        assert!(
            markdown.contains("![Figure 3: y](figures/figure-3.svg)"),
            "{markdown}"
        );
        let html = document.to_html();
        for piece in [
            "<title>A &amp; B</title>",
            "<p>run <code>a &lt; b</code></p>",
            "<td>1|2</td><td><code>c</code></td>",
            "<figure>\n<svg></svg>\n<figcaption>Figure 3: y</figcaption>",
        ] {
            assert!(html.contains(piece), "{piece}: {html}");
        }
    }
}
