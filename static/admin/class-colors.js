// Which class has which colour on a map.

/**
 * Colours of classes on a light page and on a dark one. Found by a search for eight that lie far apart for all eyes: any two differ
 * by 32 in CIELAB at least, as those see them who lack a kind of cone (Machado and others 2009) or none; each has a contrast of 3.1 or
 * more with the page.
 */
export const COLOURS = {
  light: ['#1202fd', '#e85c65', '#024f00', '#e13ffd', '#af8a03', '#149bb5', '#4c0380', '#4e0129'],
  dark: ['#7990fc', '#fed101', '#11f8fb', '#f02b07', '#ccfa9e', '#c4028c', '#985d4f', '#8b1dfe'],
};

/** Of what has no class. */
export const NONE = { light: '#6b7078', dark: '#9aa0aa' };

/**
 * Gives classes their colours: the same one comes again only where its bearers lie far apart. `points` have `x`, `y`, `label`.
 * Classes come back by size, each with its count, its middle and the number of its colour.
 */
export function classesOf(points) {
  const found = new Map();
  for (const { label, x, y, kind } of points) {
    if (label === null || label === undefined) continue;
    if (!found.has(label)) found.set(label, { label, count: 0, pictures: 0, x: 0, y: 0, colour: 0 });
    const one = found.get(label);
    one.count += 1;
    one.pictures += kind === 'image';
    one.x += x;
    one.y += y;
  }
  const classes = [...found.values()].sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1));
  classes.forEach((one, at) => {
    one.x /= one.count;
    one.y /= one.count;
    let best = -1;
    COLOURS.light.forEach((_, colour) => {
      const away = Math.min(
        10,
        ...classes
          .slice(0, at)
          .filter((other) => other.colour === colour)
          .map((other) => Math.hypot(other.x - one.x, other.y - one.y)),
      );
      if (away > best) [best, one.colour] = [away, colour];
    });
  });
  return classes;
}

/** The colour of this number. */
export const colourOf = (number, dark) => COLOURS[dark ? 'dark' : 'light'][number];
