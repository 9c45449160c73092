//! A plot with two logarithmic axes, as an SVG that can be read on light and on dark ground.

use std::fmt::Write as _;

/// One server's points: members, and nanoseconds for each delivery.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The axes' place in the picture.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 570.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 328.0;

/// Of a lightness between white and black, as is the grey of all else.
const COLOURS: [&str; 3] = ["#e0592a", "#8a8a8a", "#2f81c7"];

/// How far apart the names at the ends of the curves must be.
const NAME_HEIGHT: f64 = 16.0;

/// An axis on which every power of ten takes up the same space.
struct Axis {
    /// Powers of ten.
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// From the power of ten below all values to the one above.
    fn around(values: impl Iterator<Item = f64> + Clone, begin: f64, end: f64) -> Self {
        let from = values.clone().fold(f64::MAX, f64::min).log10().floor();
        let to = values.fold(f64::MIN_POSITIVE, f64::max).log10().ceil().max(from + 1.0);
        Self { from, to, begin, end }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value.log10() - self.from) / (self.to - self.from);
        self.begin + part * (self.end - self.begin)
    }

    /// The powers of ten, and what else of 2 and 5 times a power is in `multiples`.
    fn marks(&self, multiples: &'static [f64]) -> impl Iterator<Item = f64> {
        let (from, to) = (self.from as i32, self.to as i32);
        let marks =
            (from..=to).flat_map(|power| multiples.iter().map(move |m| m * 10_f64.powi(power)));
        let most = 10_f64.powi(to);
        marks.filter(move |mark| *mark <= most)
    }
}

/// Draws curves of at least one point each.
pub(crate) fn svg(curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let members = Axis::around(points().map(|point| point.0), LEFT, RIGHT);
    let cost = Axis::around(points().map(|point| point.1), BOTTOM, TOP);
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 380\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#808080\">\n\
         <title>The cost of a delivery against the members in the room</title>\n",
    );
    let title = "CPU time of the server for each delivered line of 64 bytes, flood from one talker";
    text(&mut out, (LEFT, 24.0), "start", title);
    text(&mut out, ((LEFT + RIGHT) / 2.0, 368.0), "middle", "members in the room");
    for mark in cost.marks(&[1.0, 2.0, 5.0]) {
        let y = cost.at(mark);
        line(&mut out, &format!("M{LEFT} {y:.1}H{RIGHT}"));
        text(&mut out, (LEFT - 8.0, y + 4.5), "end", &format!("{} ns", thousands(mark)));
    }
    for mark in members.marks(&[1.0]) {
        let x = members.at(mark);
        line(&mut out, &format!("M{x:.1} {TOP}V{BOTTOM}"));
        text(&mut out, (x, BOTTOM + 20.0), "middle", &thousands(mark));
    }
    // The first one is what the plot is about: it lies above the others.
    for (at, Curve { name, points }) in curves.iter().enumerate().rev() {
        draw(&mut out, points, (&members, &cost), colour(at), name);
    }
    // Names stand at the ends of the curves, pushed down where they would cover each other.
    let mut ends: Vec<(f64, usize)> = Vec::new();
    for (at, curve) in curves.iter().enumerate() {
        ends.extend(curve.points.last().map(|(_, nanoseconds)| (cost.at(*nanoseconds), at)));
    }
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::MIN;
    for (y, at) in ends {
        above = y.max(above + NAME_HEIGHT);
        let (x, y, colour, name) = (RIGHT + 10.0, above + 4.5, colour(at), curves[at].name);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>");
    }
    out + "</svg>\n"
}

/// A curve, and a dot for each point that tells its value when it is pointed at.
fn draw(
    out: &mut String,
    points: &[(f64, f64)],
    (across, up): (&Axis, &Axis),
    colour: &str,
    name: &str,
) {
    let place = |point: &(f64, f64)| (across.at(point.0), up.at(point.1));
    let places: Vec<_> = points.iter().map(place).collect();
    let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    let _ = writeln!(
        out,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    for ((x, y), (_, nanoseconds)) in places.iter().zip(points) {
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\">\
             <title>{name}: {nanoseconds:.0} ns</title></circle>"
        );
    }
}

fn colour(at: usize) -> &'static str {
    COLOURS[at % COLOURS.len()]
}

fn line(out: &mut String, path: &str) {
    let _ = writeln!(out, "<path d=\"{path}\" stroke=\"#808080\" stroke-opacity=\"0.3\"/>");
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let _ =
        writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

/// A number without its fraction, with a comma after each three digits.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
