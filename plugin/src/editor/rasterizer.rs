//! Pictures of the window without a screen: triangles to pixels.
//!
//! egui's meshes, in the order in which they are painted, each pixel from the triangles that hold its
//! centre; colours are premultiplied and blended as they are, as egui's painters do.

use std::collections::HashMap;

use egui::epaint::{ClippedPrimitive, ImageData, Primitive, Vertex};
use egui::{Color32, ColorImage, Pos2, TextureId, TexturesDelta};

/// A picture, rows from above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of each pixel, `[height][width]`.
    pub pixels: Vec<[u8; 3]>,
}

/// Remembers egui's textures from frame to frame.
#[derive(Default)]
pub struct Rasterizer {
    textures: HashMap<TextureId, ColorImage>,
}

impl Rasterizer {
    /// Takes the textures that a frame brought, and frees those that it gave up.
    pub fn take(&mut self, delta: &mut TexturesDelta) {
        for (id, images) in &delta.set {
            for delta in images {
                let ImageData::Color(image) = &delta.image;
                match (delta.pos, self.textures.get_mut(id)) {
                    (Some([left, top]), Some(whole)) => {
                        let [width, height] = image.size;
                        for row in 0..height {
                            let to = (top + row) * whole.size[0] + left;
                            let from = row * width;
                            whole.pixels[to..to + width]
                                .copy_from_slice(&image.pixels[from..from + width]);
                        }
                    }
                    _ => {
                        self.textures.insert(*id, (**image).clone());
                    }
                }
            }
        }
        for id in &delta.free {
            self.textures.remove(id);
        }
        delta.clear();
    }

    /// Paints `primitives` on `ground`, `scale` pixels a logical one.
    #[must_use]
    pub fn paint(
        &self,
        primitives: &[ClippedPrimitive],
        (width, height): (usize, usize),
        scale: f32,
        ground: Color32,
    ) -> Picture {
        let ground = [ground.r(), ground.g(), ground.b()];
        let mut picture = Picture {
            width,
            height,
            pixels: vec![ground; width * height],
        };
        for ClippedPrimitive {
            clip_rect,
            primitive,
        } in primitives
        {
            let Primitive::Mesh(mesh) = primitive else {
                continue;
            };
            let Some(texture) = self.textures.get(&mesh.texture_id) else {
                continue;
            };
            let edge = |at: f32, most: usize| (at * scale).round().clamp(0.0, most as f32) as usize;
            let clip = Clip {
                columns: edge(clip_rect.left(), width)..edge(clip_rect.right(), width),
                rows: edge(clip_rect.top(), height)..edge(clip_rect.bottom(), height),
            };
            for corners in mesh.indices.as_chunks::<3>().0 {
                let corners = corners.map(|index| {
                    let vertex = mesh.vertices[index as usize];
                    Vertex {
                        pos: (vertex.pos.to_vec2() * scale).to_pos2(),
                        ..vertex
                    }
                });
                picture.triangle(corners, &clip, texture);
            }
        }
        picture
    }
}

struct Clip {
    columns: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
}

impl Picture {
    fn triangle(&mut self, mut corners: [Vertex; 3], clip: &Clip, texture: &ColorImage) {
        let side =
            |a: Pos2, b: Pos2, p: Pos2| (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
        let [a, b, c] = corners.map(|corner| corner.pos);
        let area = side(a, b, c);
        if area < 0.0 {
            corners.swap(1, 2);
        }
        let [a, b, c] = corners.map(|corner| corner.pos);
        let area = area.abs();
        if area <= f32::EPSILON {
            return;
        }
        let range = |values: [f32; 3], clip: &std::ops::Range<usize>| {
            let least = values.into_iter().fold(f32::MAX, f32::min).floor().max(0.0);
            let most = values.into_iter().fold(0.0, f32::max).ceil();
            clip.start.max(least as usize)..clip.end.min(most as usize)
        };
        // A pixel on an edge of two triangles belongs to one of them.
        let owns = |a: Pos2, b: Pos2| b.y < a.y || (b.y == a.y && b.x > a.x);
        let owned = [owns(b, c), owns(c, a), owns(a, b)];
        for y in range([a.y, b.y, c.y], &clip.rows) {
            for x in range([a.x, b.x, c.x], &clip.columns) {
                let centre = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
                let sides = [side(b, c, centre), side(c, a, centre), side(a, b, centre)];
                let inside = |(side, owned): (&f32, bool)| *side > 0.0 || (*side == 0.0 && owned);
                if !sides.iter().zip(owned).all(inside) {
                    continue;
                }
                let weights = sides.map(|side| side / area);
                let mix = |of: fn(&Vertex) -> f32| -> f32 {
                    corners.iter().zip(weights).map(|(v, w)| of(v) * w).sum()
                };
                let texel = sample(texture, mix(|v| v.uv.x), mix(|v| v.uv.y));
                let colour: [fn(&Vertex) -> f32; 4] = [
                    |v| v.color.r().into(),
                    |v| v.color.g().into(),
                    |v| v.color.b().into(),
                    |v| v.color.a().into(),
                ];
                let source: [f32; 4] = std::array::from_fn(|i| mix(colour[i]) * texel[i] / 255.0);
                let pixel = &mut self.pixels[y * self.width + x];
                for (under, over) in pixel.iter_mut().zip(source) {
                    let blended = over + f32::from(*under) * (1.0 - source[3] / 255.0);
                    *under = blended.round().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
}

/// The texture between its four nearest texels.
fn sample(texture: &ColorImage, u: f32, v: f32) -> [f32; 4] {
    let [width, height] = texture.size;
    let axis = |at: f32, size: usize| {
        let at = (at * size as f32 - 0.5).clamp(0.0, (size - 1) as f32);
        let low = at as usize;
        (low, (low + 1).min(size - 1), at.fract())
    };
    let (left, right, across) = axis(u, width);
    let (top, bottom, down) = axis(v, height);
    let texel = |x: usize, y: usize| texture.pixels[y * width + x].to_array();
    let [a, b] = [texel(left, top), texel(right, top)];
    let [c, d] = [texel(left, bottom), texel(right, bottom)];
    std::array::from_fn(|i| {
        let mix = |from: f32, to: f32, share: f32| from + (to - from) * share;
        let upper = mix(a[i].into(), b[i].into(), across);
        mix(upper, mix(c[i].into(), d[i].into(), across), down)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::epaint::Mesh;
    use egui::{Rect, pos2};

    #[test]
    fn a_rectangle_fills_its_pixels_once_and_keeps_to_its_clip() {
        let mut rasterizer = Rasterizer::default();
        let white = ColorImage::filled([2, 2], Color32::WHITE);
        rasterizer.textures.insert(TextureId::default(), white);
        let mut mesh = Mesh::default();
        let half = Color32::from_rgba_premultiplied(100, 0, 0, 128);
        let rect = Rect::from_min_max(pos2(1.0, 1.0), pos2(4.0, 3.0));
        mesh.add_colored_rect(rect, half);
        let primitive = ClippedPrimitive {
            clip_rect: Rect::from_min_max(pos2(0.0, 0.0), pos2(3.0, 9.0)),
            primitive: Primitive::Mesh(mesh),
        };
        let ground = Color32::from_rgb(0, 0, 200);
        let picture = rasterizer.paint(&[primitive], (10, 8), 2.0, ground);
        for (i, pixel) in picture.pixels.iter().enumerate() {
            let inside = (2..6).contains(&(i % 10)) && (2..6).contains(&(i / 10));
            let expected = if inside { [100, 0, 100] } else { [0, 0, 200] };
            assert_eq!(*pixel, expected, "{}, {}", i % 10, i / 10);
        }
    }
}
