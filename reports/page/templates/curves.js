// The picture of one training's curves: S, U, H and T1 over epochs, and the epochs that the protocols report.
"use strict";

// The metrics that are drawn; others may not be in percent.
const DRAWN = ["S", "U", "H", "T1"];
const FRAME = { width: 460, height: 270, left: 34, right: 44, top: 46, bottom: 34 };
const MARK_ROW = 13;

// Moves labels apart that would overlap. heights: in pixels; returns the new heights, at least `gap` apart.
function separateLabels(heights, gap, lowest) {
  const order = heights.map((_, index) => index).sort((i, j) => heights[i] - heights[j]);
  const placed = [...heights];
  order.forEach((index, rank) => {
    if (rank) placed[index] = Math.max(placed[index], placed[order[rank - 1]] + gap);
  });
  const beyond = Math.max(0, Math.max(...placed) - lowest);
  return placed.map((height) => height - beyond);
}

function axes(x, y, epochs, over) {
  const { width, height, left, right, bottom } = FRAME;
  const lines = [0, 25, 50, 75, 100].flatMap((percent) => [
    svgElement("line", { x1: left, x2: width - right, y1: y(percent), y2: y(percent), class: "grid" }),
    svgElement("text", { x: left - 6, y: y(percent) + 4, "text-anchor": "end" }, String(percent)),
  ]);
  const last = epochs.at(-1);
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200].find((size) => last / size <= 8) ?? last;
  const ticks = Array.from({ length: Math.floor(last / step) + 1 }, (_, index) =>
    svgElement("text", { x: x(index * step), y: height - bottom + 16, "text-anchor": "middle" }, String(index * step)));
  const title = svgElement("text", { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, over);
  return [...lines, ...ticks, title];
}

function series(curve, x, y) {
  const present = DRAWN.filter((metric) => curve[metric].some((value) => value !== null));
  const ends = present.map((metric) => curve[metric].findLast((value) => value !== null));
  const heights = separateLabels(ends.map(y), 13, FRAME.height - FRAME.bottom);
  return present.flatMap((metric, index) => {
    const points = curve.epoch.map((epoch, i) => [epoch, curve[metric][i]]).filter(([, value]) => value !== null);
    const path = points.map(([epoch, value]) => `${x(epoch)},${y(value)}`).join(" ");
    return [
      svgElement("polyline", { points: path, class: `line ${metric}` }),
      ...(points.length === 1 ? [svgElement("circle", { cx: x(points[0][0]), cy: y(ends[index]), r: 3, class: `dot ${metric}` })] : []),
      svgElement("text", { x: FRAME.width - FRAME.right + 6, y: heights[index] + 4, class: `label ${metric}` }, metric),
    ];
  });
}

// reported: protocol -> epoch; empty for a validation curve.
function curvePicture(curve, reported = {}) {
  const { width, height, left, right, top, bottom } = FRAME;
  const last = curve.epoch.at(-1);
  const x = (epoch) => left + (epoch / last) * (width - left - right);
  const y = (percent) => height - bottom - (percent / 100) * (height - top - bottom);
  const marks = Object.entries(reported).flatMap(([name, epoch], row) => [
    svgElement("line", { x1: x(epoch), x2: x(epoch), y1: 6 + row * MARK_ROW, y2: height - bottom, class: "mark" }),
    svgElement("text", { x: x(epoch) - 4, y: 12 + row * MARK_ROW, "text-anchor": "end" }, `${name} ${epoch}`),
  ]);
  const label = `${curve.name}: ${DRAWN.join(", ")} in percent over ${last} ${curve.over}s`;
  const picture = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "curve" });
  picture.append(...axes(x, y, curve.epoch, curve.over), ...marks, ...series(curve, x, y));
  return picture;
}
