//! The curves as an SVG plot.

use std::fmt::Write;

use crate::measure::Dataset;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
const COLUMNS: usize = 2;
const COLORS: [&str; 6] = ["#0b6e4f", "#1f77b4", "#d62728", "#ff7f0e", "#9467bd", "#7f7f7f"];

/// Plots queries per second (logarithmic) over recall (from 0.9 to 1), one panel for each dataset.
pub(crate) fn svg(datasets: &[Dataset]) -> String {
    let rows = datasets.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * datasets.len().min(COLUMNS) as f64, HEIGHT * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\"><rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (n, dataset) in datasets.iter().enumerate() {
        let at = (WIDTH * (n % COLUMNS) as f64, HEIGHT * (n / COLUMNS) as f64);
        let _ = writeln!(svg, "<g transform=\"translate({} {})\">", at.0, at.1);
        panel(&mut svg, dataset);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, dataset: &Dataset) {
    let (left, top, right, bottom) = (50.0, 30.0, WIDTH - 15.0, HEIGHT - 35.0);
    let x = |recall: f64| left + (recall - 0.9) / 0.1 * (right - left);
    // From 100 to 100 000 queries per second.
    let y = |qps: f64| bottom - (qps.log10() - 2.0) / 3.0 * (bottom - top);
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"18\" font-weight=\"bold\">{}</text>", dataset.title);
    for recall in [0.9, 0.92, 0.94, 0.96, 0.98, 1.0] {
        let x = x(recall);
        let _ = writeln!(svg, "<line x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{recall:.2}</text>", bottom + 14.0);
    }
    for qps in [100.0, 1_000.0, 10_000.0, 100_000.0] {
        let y = y(qps);
        let _ = writeln!(svg, "<line x1=\"{left}\" y1=\"{y}\" x2=\"{right}\" y2=\"{y}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{qps}</text>", left - 4.0, y + 4.0);
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">recall@10; vertical: queries per second, one thread</text>",
        (left + right) / 2.0,
        bottom + 29.0
    );
    for (n, curve) in dataset.curves.iter().enumerate() {
        let color = COLORS[n % COLORS.len()];
        let seen = curve.points.iter().filter(|point| point.recall >= 0.9 && point.qps() >= 100.0);
        let points: Vec<String> =
            seen.map(|point| format!("{:.1},{:.1}", x(point.recall), y(point.qps().min(1e5)))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        let line = bottom - 8.0 - 14.0 * (dataset.curves.len() - 1 - n) as f64;
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{line}\" fill=\"{color}\">{}</text>", left + 6.0, curve.name);
    }
}
