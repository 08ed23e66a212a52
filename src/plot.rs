//! Static plots: plain numbers in, one SVG document as text out; and sheets of thumbnails.
//!
//! Every function draws with `plotters`, sets colours as attributes (so the SVG stands alone in a
//! notebook) and as classes (so a page with a style sheet can recolour it for dark mode), and puts
//! the title and the description into the markup. No plot reads a file, a clock or a frame.

mod about;
mod axis;
mod classes;
mod confusion;
mod frame;
mod moves;
mod scaling;
mod scatter;
mod sheet;
mod sketch;
mod theme;
mod variance;
mod workers;

pub use about::About;
pub(crate) use axis::grouped;
pub use classes::{ClassBar, class_counts};
pub use confusion::{ConfusionGrid, confusion};
pub use frame::{Frame, Legend, Scatter};
pub use moves::{MAX_LINES, Moves, MovesPlot, N_MOST_MOVED, moves};
pub use scaling::{Curve, Scaling, scaling};
pub use scatter::{MAX_VECTOR_POINTS, ScatterPlot, draw_order, scatter};
pub use sheet::{CONTACT_EDGE, CONTACT_QUALITY, contact_sheet};
pub(crate) use theme::escaped;
pub use theme::{N_LOOKS, PALETTE, marker_shapes, marker_svg, shared_looks, shortened, shown};
pub use variance::{Variance, variance};
pub use workers::{WorkerBar, workers};
