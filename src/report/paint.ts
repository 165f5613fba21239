import pico from 'picocolors';

/** Colours of an output stream; all functions give their text unchanged when the stream shows none. */
export type Paint = ReturnType<typeof pico.createColors>;

export const paintOf = (colours: boolean): Paint => pico.createColors(colours);
export const plain: Paint = paintOf(false);
