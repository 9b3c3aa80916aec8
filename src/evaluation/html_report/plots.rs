//! Line plots of the report, as inline SVG.

use maud::{Markup, PreEscaped, html};
use plotters::{coord::Shift, prelude::*};

use crate::evaluation::{Diagnostics, ReliabilityBin, TrainingCurve};

/// Colours for all types of colour vision (Okabe and Ito 2008), dark enough for lines on white.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 94, 0),
    RGBColor(86, 180, 233),
];

const SIZE: (u32, u32) = (460, 320);

/// One line of a plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    marked: bool,
}

/// A plot. An axis has a name, a minimum and a maximum.
struct Plot<'a> {
    title: &'a str,
    x: (&'a str, f64, f64),
    y: (&'a str, f64, f64),
    lines: Vec<Line>,
    /// Whether x is a whole number.
    integer_x: bool,
    /// Whether a diagonal is drawn for comparison.
    diagonal: bool,
}

impl Plot<'_> {
    fn draw(&self) -> Result<Markup, String> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            self.draw_on(&root).map_err(|e| format!("cannot draw the plot {:?}: {e}", self.title))?;
        }
        // The font of the page.
        let svg = svg.replace("font-family=\"sans-serif\"", "font-family=\"inherit\"");
        // The legend is below the plot, where it does not hide lines.
        let legend = self.lines.iter().zip(COLOURS.iter().cycle());
        Ok(html! {
            figure.plot {
                (PreEscaped(svg))
                @if self.lines.len() > 1 {
                    figcaption {
                        @for (line, RGBColor(r, g, b)) in legend {
                            span { i style=(format!("background:rgb({r} {g} {b})")) {} (line.name) }
                        }
                    }
                }
            }
        })
    }

    fn draw_on(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn std::error::Error + '_>> {
        let text = |size: u32| ("sans-serif", size).into_font();
        let mut chart = ChartBuilder::on(root)
            .caption(self.title, text(17))
            .margin(8)
            .margin_right(16)
            .x_label_area_size(38)
            .y_label_area_size(48)
            .build_cartesian_2d(self.x.1..self.x.2, self.y.1..self.y.2)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(228, 228, 224))
            .axis_style(RGBColor(120, 120, 116))
            .x_desc(self.x.0)
            .y_desc(self.y.0)
            .x_label_formatter(&|x| if self.integer_x { format!("{x:.0}") } else { format!("{x:.1}") })
            .x_labels(6)
            .y_labels(6)
            .label_style(text(12))
            .axis_desc_style(text(13))
            .draw()?;
        if self.diagonal {
            let corners = [(self.x.1, self.y.1), (self.x.2, self.y.2)];
            chart.draw_series(LineSeries::new(corners, RGBColor(170, 170, 164).stroke_width(1)))?;
        }
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<(f64, f64)> = line.points.iter().copied().filter(|(_, y)| y.is_finite()).collect();
            let series = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            let colour = *colour;
            series
                .label(line.name.clone())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            if line.marked {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
            }
        }
        root.present()?;
        Ok(())
    }
}

pub(super) fn precision_recall(diagnostics: &Diagnostics) -> Result<Markup, String> {
    let line = |name: &str, precision: &[f64]| Line {
        name: name.to_owned(),
        points: (0..).zip(precision).map(|(n, &p)| (f64::from(n) / (precision.len() - 1) as f64, p)).collect(),
        marked: false,
    };
    let [image_to_text, text_to_image] = &diagnostics.precision_at_recall;
    Plot {
        title: "Precision and recall",
        x: ("recall", 0.0, 1.0),
        y: ("precision", 0.0, 1.0),
        lines: vec![line("image → text", image_to_text), line("text → image", text_to_image)],
        integer_x: false,
        diagonal: false,
    }
    .draw()
}

pub(super) fn reliability(diagnostics: &Diagnostics) -> Result<Markup, String> {
    let one = |(name, bins): &(&str, [ReliabilityBin; 10])| {
        let points = bins.iter().filter(|bin| bin.count > 0).map(|bin| (bin.predicted, bin.observed)).collect();
        Line { name: (*name).to_owned(), points, marked: true }
    };
    Plot {
        title: "Calibration",
        x: ("predicted relevance", 0.0, 1.0),
        y: ("fraction relevant", 0.0, 1.0),
        lines: diagnostics.reliability.iter().map(one).collect(),
        integer_x: false,
        diagonal: true,
    }
    .draw()
}

/// Loss and validation scores of a head.
pub(super) fn training(curve: &TrainingCurve) -> Result<Markup, String> {
    let epochs = curve.losses.first().map_or(0, |(_, values)| values.len());
    let draw = |title: &str, y: &str, lines: &[(&'static str, Vec<f64>)], max: f64| {
        let line = |(name, values): &(&'static str, Vec<f64>)| Line {
            name: (*name).to_owned(),
            points: (1u32..).map(f64::from).zip(values.iter().copied()).collect(),
            marked: epochs < 20,
        };
        Plot {
            title,
            x: ("epoch", 1.0, (epochs as f64).max(2.0)),
            y: (y, 0.0, max),
            lines: lines.iter().map(line).collect(),
            integer_x: true,
            diagonal: false,
        }
        .draw()
    };
    let losses = curve.losses.iter().flat_map(|(_, values)| values).copied().filter(|x| x.is_finite());
    let max = losses.fold(1e-6, f64::max) * 1.05;
    let loss = draw(&format!("{} head: loss", curve.head), "loss", &curve.losses, max)?;
    let title = format!("{} head: validation, best epoch {}", curve.head, curve.best_epoch);
    let validation = draw(&title, "score", &curve.validation, 1.0)?;
    Ok(html! { (loss) (validation) })
}
