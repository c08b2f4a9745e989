// Elements and numbers for people. Texts only ever become text nodes.

const SVG = 'http://www.w3.org/2000/svg';
const NUMBERS = new Intl.NumberFormat('en');

/** An element with attributes, and texts or elements in it. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** The element of the page with this id. */
export function at(id) {
  return document.getElementById(id);
}

export function numberText(value) {
  return NUMBERS.format(value);
}

export function ageText(ms) {
  if (ms < 9950) return `${Math.round(ms / 100) / 10} s`;
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
