//! Camera and light: fixed in the room, while the fruit turns.

use crate::varieties::{Skin, Variety};
use crate::vector::{Turn, Vec3, smoothstep, vec3};

/// Side of a picture in pixels, as in Fruits-360.
pub const SIDE_PX: usize = 100;
/// White left free around the fruit.
const MARGIN_PX: f64 = 4.0;
/// Samples along each side of a pixel.
const SAMPLES: usize = 4;
/// Cells along each side of the silhouette that frames the fruit: under a pixel each.
const SILHOUETTE: usize = 160;
/// Half side of the room's view, larger than any variety.
const REACH: f64 = 2.2;

/// How far past the terminator flesh scatters the key light, as a cosine.
const WRAP: f64 = 0.22;

const KEY: Vec3 = vec3(-0.42, 0.66, 0.62);
const FILL: Vec3 = vec3(0.80, 0.10, 0.55);
const KEY_COLOUR: Vec3 = vec3(1.40, 1.33, 1.22);
const FILL_COLOUR: Vec3 = vec3(0.13, 0.145, 0.17);
/// Half width and half height of the softbox, as tangents seen from the fruit.
const SOFTBOX: (f64, f64) = (0.17, 0.25);

/// Where the camera looks, and the width of one pixel, in fruit radii.
struct Frame {
    centre: (f64, f64),
    pixel: f64,
}

/// The picture of a variety in one pose: rows of sRGB bytes, shape `[100, 100, 3]`.
pub fn photograph(variety: &Variety, pose: Turn) -> Vec<u8> {
    let frame = frame(variety, pose);
    let half = SIDE_PX as f64 / 2.0;
    let mut bytes = Vec::with_capacity(SIDE_PX * SIDE_PX * 3);
    for row in 0..SIDE_PX {
        for column in 0..SIDE_PX {
            let mut sum = vec3(0.0, 0.0, 0.0);
            for sample in 0..SAMPLES * SAMPLES {
                let offset = |i: usize| (i as f64 + 0.5) / SAMPLES as f64;
                let x = column as f64 + offset(sample % SAMPLES) - half;
                let y = half - row as f64 - offset(sample / SAMPLES);
                let x = frame.centre.0 + x * frame.pixel;
                let y = frame.centre.1 + y * frame.pixel;
                sum = sum + sample_colour(variety, pose, x, y);
            }
            let mean = sum * (1.0 / (SAMPLES * SAMPLES) as f64);
            bytes.extend([mean.x, mean.y, mean.z].map(|v| (v * 255.0 + 0.5) as u8));
        }
    }
    bytes
}

/// Centres the silhouette and scales its longer side to the picture, as the real crops are.
fn frame(variety: &Variety, pose: Turn) -> Frame {
    let cell = 2.0 * REACH / SILHOUETTE as f64;
    let (mut low, mut high) = ((REACH, REACH), (-REACH, -REACH));
    for row in 0..SILHOUETTE {
        for column in 0..SILHOUETTE {
            let x = (column as f64 + 0.5) * cell - REACH;
            let y = (row as f64 + 0.5) * cell - REACH;
            if hit(variety, pose, x, y).is_some() {
                low = (low.0.min(x), low.1.min(y));
                high = (high.0.max(x), high.1.max(y));
            }
        }
    }
    let side = (high.0 - low.0).max(high.1 - low.1) + cell;
    Frame {
        centre: (low.0.midpoint(high.0), low.1.midpoint(high.1)),
        pixel: side / (SIDE_PX as f64 - 2.0 * MARGIN_PX),
    }
}

/// Where the ray through `(x, y)` meets the fruit, in the fruit's own axes.
fn hit(variety: &Variety, pose: Turn, x: f64, y: f64) -> Option<Vec3> {
    let start = pose.to_fruit(vec3(x, y, REACH));
    let ray = pose.to_fruit(vec3(0.0, 0.0, -1.0));
    let mut travelled = 0.0;
    for _ in 0..160 {
        let p = start + ray * travelled;
        let distance = (variety.distance)(p);
        if distance < 1e-3 {
            return Some(p);
        }
        travelled += distance;
        if travelled > 2.0 * REACH {
            break;
        }
    }
    None
}

fn sample_colour(variety: &Variety, pose: Turn, x: f64, y: f64) -> Vec3 {
    let Some(p) = hit(variety, pose, x, y) else {
        return vec3(1.0, 1.0, 1.0);
    };
    let smooth = gradient(p, 1.5e-3, variety.distance).unit();
    let slope = gradient(p, 4e-3, variety.relief);
    // Only the slope along the surface tilts the normal.
    let tilt = slope - smooth * slope.dot(smooth);
    let normal = (smooth - tilt).unit();
    let skin = (variety.skin)(p, smooth);
    let openness = openness(variety, p, smooth);
    let key = pose.to_fruit(KEY.unit());
    let sun = if smooth.dot(key) > -WRAP {
        sunlight(variety, p + smooth * 0.02, key)
    } else {
        0.0
    };
    let facing = pose.to_room(smooth).z.clamp(0.0, 1.0);
    to_srgb(shade(&skin, pose.to_room(normal), facing, openness, sun))
}

/// Central tetrahedron differences: four evaluations instead of six.
fn gradient(p: Vec3, h: f64, field: fn(Vec3) -> f64) -> Vec3 {
    let corners = [
        vec3(1.0, -1.0, -1.0),
        vec3(-1.0, -1.0, 1.0),
        vec3(-1.0, 1.0, -1.0),
        vec3(1.0, 1.0, 1.0),
    ];
    let mut sum = vec3(0.0, 0.0, 0.0);
    for corner in corners {
        sum = sum + corner * field(p + corner * h);
    }
    sum * (1.0 / (4.0 * h))
}

/// Ambient occlusion: 1 in the open, towards 0 in a cavity.
fn openness(variety: &Variety, p: Vec3, normal: Vec3) -> f64 {
    let (mut blocked, mut weight) = (0.0, 1.0);
    for step in 1..=5 {
        let height = 0.06 * f64::from(step);
        blocked += weight * (height - (variety.distance)(p + normal * height)).max(0.0);
        weight *= 0.8;
    }
    // Distances are conservative, so a flat skin also reads as blocked a little.
    (1.12 - 1.5 * blocked).clamp(0.0, 1.0)
}

/// Share of the softbox that `p` sees, from the narrowest gap on the way there.
fn sunlight(variety: &Variety, p: Vec3, towards: Vec3) -> f64 {
    let (mut seen, mut travelled) = (1.0_f64, 0.03);
    for _ in 0..40 {
        let distance = (variety.distance)(p + towards * travelled);
        seen = seen.min(0.5 + 0.5 * distance / (0.16 * travelled));
        travelled += distance.clamp(0.02, 0.2);
        // Once well clear of the skin, nothing else stands before the lamp.
        if seen <= 0.0 || distance > 0.3 {
            break;
        }
    }
    smoothstep(0.0, 1.0, seen)
}

/// Light towards the camera; `facing` is the cosine to it without the fine relief, whose steep
/// flanks would mirror the room.
fn shade(skin: &Skin, normal: Vec3, facing: f64, openness: f64, sun: f64) -> Vec3 {
    let (key, view) = (KEY.unit(), vec3(0.0, 0.0, 1.0));
    let wrap = |towards: Vec3, by: f64| ((normal.dot(towards) + by) / (1.0 + by)).max(0.0);
    let sky = vec3(0.235, 0.24, 0.255) * (openness * (0.85 + 0.30 * normal.y));
    let light = KEY_COLOUR * (wrap(key, WRAP) * sun)
        + FILL_COLOUR * (wrap(FILL.unit(), 0.4) * openness)
        + sky;
    // Wax scatters at the surface: strongest where it is seen edge-on.
    let haze = (skin.haze * (1.0 + 1.2 * (1.0 - facing))).min(1.0);
    let albedo = skin.colour.mix(skin.haze_colour, haze);

    let away = 1.0 - facing;
    let fresnel = 0.04 + 0.96 * away * away * away * away * away;
    let mirror = normal * (2.0 * normal.dot(view)) - view;
    let half = (key + view).unit();
    let box_light = softbox(mirror, key, skin.roughness) * skin.gloss;
    let sheen = power_of_two(normal.dot(half).max(0.0), skin.sheen_doublings) * skin.sheen;
    // The white room shows in the skin at grazing angles.
    let room = fresnel * openness * (0.25 + 0.75 * skin.gloss) * 0.55;
    let white = (box_light + sheen) * sun + room;
    light.tint(albedo) + vec3(white, white, white)
}

/// A rectangular lamp seen in the skin; `roughness` blurs its edges.
fn softbox(mirror: Vec3, key: Vec3, roughness: f64) -> f64 {
    let depth = mirror.dot(key);
    if depth <= 0.0 {
        return 0.0;
    }
    let right = vec3(0.0, 1.0, 0.0).cross(key).unit();
    let up = key.cross(right);
    let inside = |offset: f64, half: f64| {
        smoothstep(half + roughness, half - roughness, (offset / depth).abs())
    };
    inside(mirror.dot(right), SOFTBOX.0) * inside(mirror.dot(up), SOFTBOX.1)
}

/// `x` to the power `2^doublings`, without libm.
fn power_of_two(x: f64, doublings: u32) -> f64 {
    (0..doublings).fold(x, |power, _| power * power)
}

/// Linear light to sRGB in square roots only (Chilliant's fit, within half a level).
fn to_srgb(linear: Vec3) -> Vec3 {
    let encode = |v: f64| {
        // A shoulder instead of a hard clip, so highlights keep their hue.
        let v = if v > 0.7 {
            1.0 - 0.09 / (v - 0.4)
        } else {
            v.max(0.0)
        };
        let root = v.sqrt();
        let fourth = root.sqrt();
        (0.662_002_687 * root + 0.684_122_06 * fourth
            - 0.323_583_601 * fourth.sqrt()
            - 0.022_541_147 * v)
            .clamp(0.0, 1.0)
    };
    vec3(encode(linear.x), encode(linear.y), encode(linear.z))
}
