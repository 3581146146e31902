// Stands in for LiteRT.js: answers every row with the values that are set.

export const set = { rows: [], values: [] };
export const getGlobalLiteRtPromise = () => undefined;
export const loadLiteRt = async () => {};

export class Tensor {
  constructor(data, shape) {
    const size = shape.reduce((product, one) => product * one);
    if (size !== data.length) throw new Error(`${data.length} values do not fit ${shape}`);
    this.data = data;
  }
  toTypedArray() { return this.data; }
  delete() { this.data = undefined; }
}

export const loadAndCompile = async () => ({
  run: async ([input]) => {
    set.rows.push(Array.from(input.data));
    return set.values.map((one) => new Tensor(Float32Array.from(one), [1, one.length]));
  },
});
