//! Plots of the page, as SVG within it.

use plotters::{coord::Shift, prelude::*};

use super::{
    super::{Examination, Place, ReliabilityBin, TrainingCurve},
    Shown, escaped,
};

/// Colours that people with any colour vision tell apart (Okabe and Ito 2008), dark enough for lines on white.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 94, 0),
    RGBColor(86, 180, 233),
];

const SIZE: (u32, u32) = (460, 320);

/// A line of a plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    marked: bool,
}

/// What is drawn, and between which axes.
struct Plot<'a> {
    title: &'a str,
    x: (&'a str, f64, f64),
    y: (&'a str, f64, f64),
    lines: Vec<Line>,
    /// Whether x counts something.
    whole: bool,
    /// A line to compare with, from corner to corner.
    diagonal: bool,
}

impl Plot<'_> {
    fn draw(&self) -> Result<String, String> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            self.draw_on(&root).map_err(|e| format!("the plot {:?} could not be drawn: {e}", self.title))?;
        }
        // The reader's font, and a size that follows the page.
        let svg = svg.replace("font-family=\"sans-serif\"", "font-family=\"inherit\"");
        // Beside the plot and not on it, where it would hide lines.
        let key = |(line, RGBColor(r, g, b)): (&Line, &RGBColor)| {
            format!("<span><i style=\"background:rgb({r} {g} {b})\"></i>{}</span>", escaped(&line.name))
        };
        let keys: String = self.lines.iter().zip(COLOURS.iter().cycle()).map(key).collect();
        let keys = if self.lines.len() > 1 { format!("<figcaption>{keys}</figcaption>") } else { String::new() };
        Ok(format!("<figure class=\"plot\">{svg}{keys}</figure>"))
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
            .x_label_formatter(&|x| if self.whole { format!("{x:.0}") } else { format!("{x:.1}") })
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

pub(super) fn precision_recall(examination: &Examination) -> Result<String, String> {
    let line = |name: &str, precision: &[f64]| Line {
        name: name.to_owned(),
        points: (0..).zip(precision).map(|(n, &p)| (f64::from(n) / (precision.len() - 1) as f64, p)).collect(),
        marked: false,
    };
    let [there, back] = &examination.precision_at_recall;
    Plot {
        title: "Precision and recall",
        x: ("recall", 0.0, 1.0),
        y: ("precision", 0.0, 1.0),
        lines: vec![line("picture → text", there), line("text → picture", back)],
        whole: false,
        diagonal: false,
    }
    .draw()
}

pub(super) fn reliability(examination: &Examination) -> Result<String, String> {
    let one = |(name, bins): &(&str, [ReliabilityBin; 10])| {
        let points = bins.iter().filter(|bin| bin.count > 0).map(|bin| (bin.promised, bin.observed)).collect();
        Line { name: (*name).to_owned(), points, marked: true }
    };
    Plot {
        title: "Calibration",
        x: ("promised relevance", 0.0, 1.0),
        y: ("part that is relevant", 0.0, 1.0),
        lines: examination.reliability.iter().map(one).collect(),
        whole: false,
        diagonal: true,
    }
    .draw()
}

/// Loss and validation scores of a part.
pub(super) fn training(curve: &TrainingCurve) -> Result<String, String> {
    let epochs = curve.losses.first().map_or(0, |(_, values)| values.len());
    let draw = |title: &str, of: &str, lines: &[(&'static str, Vec<f64>)], most: f64| {
        let line = |(name, values): &(&'static str, Vec<f64>)| Line {
            name: (*name).to_owned(),
            points: (1u32..).map(f64::from).zip(values.iter().copied()).collect(),
            marked: epochs < 20,
        };
        Plot {
            title,
            x: ("epoch", 1.0, (epochs as f64).max(2.0)),
            y: (of, 0.0, most),
            lines: lines.iter().map(line).collect(),
            whole: true,
            diagonal: false,
        }
        .draw()
    };
    let losses = curve.losses.iter().flat_map(|(_, values)| values).copied().filter(|x| x.is_finite());
    let most = losses.fold(1e-6, f64::max) * 1.05;
    let loss = draw(&format!("{} part: loss", curve.part), "loss", &curve.losses, most)?;
    let title = format!("{} part: validation, best epoch {}", curve.part, curve.best_epoch);
    Ok(loss + &draw(&title, "score", &curve.validation, 1.0)?)
}

/// The map: pictures as discs, captions as rings, a colour for each class.
pub(super) fn map(examination: &Examination, shown: &dyn Fn(Place) -> Shown) -> String {
    // Evenly around the wheel by the golden angle, so that neighbours in the list differ most.
    let colour = |class: u32| {
        let hue = (f64::from(class) * 137.508) % 360.0;
        let light = [42, 58, 34][class as usize % 3];
        format!("hsl({hue:.0} 65% {light}%)")
    };
    let side = |x: f32| 500.0 + 480.0 * x;
    let point = |point: &super::super::MapPoint| {
        let ([x, y], colour) = (point.at.map(side), colour(point.class));
        let seen = shown(point.place);
        let (paint, size) = match point.place {
            Place::Picture(_) => (format!("fill=\"{colour}\""), 5),
            Place::Caption(_) => (format!("fill=\"none\" stroke=\"{colour}\""), 4),
        };
        let title = format!("{}: {}", escaped(&seen.labels), escaped(&seen.text));
        format!("<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"{size}\" {paint}><title>{title}</title></circle>")
    };
    let points: String = examination.map.iter().map(point).collect();
    let key = |(class, name): (u32, &String)| {
        format!("<li><i style=\"background:{}\"></i>{}</li>", colour(class), escaped(name))
    };
    let keys: String = (0..).zip(&examination.classes).map(key).collect();
    format!(
        "<section><h2>What does the common space look like?</h2><p>Pictures (discs) and captions (rings) of the {} split; \
         what lies together is found together. Principal components, then t-SNE: neighbours mean something, distances \
         between far groups do not. Point at one to read it.</p><div class=\"sides\"><svg class=\"map\" viewBox=\"0 0 1000 \
         1000\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"map of the common space\">{points}</svg>\
         <ul class=\"keys\">{keys}</ul></div></section>",
        examination.split
    )
}
