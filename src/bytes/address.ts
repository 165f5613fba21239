/**
 * Addresses, branded by space, so that a forgotten load bias does not compile.
 * Offsets, sizes and counts are `number`; addresses and 64-bit words are `bigint`.
 */
declare const space: unique symbol;

/** A link-time virtual address: what the ELF file says. */
export type Vaddr = bigint & { readonly [space]: 'link-time' };
/** An address in the target process. */
export type Remote = bigint & { readonly [space]: 'target' };
/** Difference between the two for one object: remote - link-time. */
export type LoadBias = bigint & { readonly [space]: 'bias' };

export const vaddr = (value: bigint): Vaddr => BigInt.asUintN(64, value) as Vaddr;
export const remote = (value: bigint): Remote => BigInt.asUintN(64, value) as Remote;
export const loadBias = (value: bigint): LoadBias => value as LoadBias;

export const toRemote = (address: Vaddr, bias: LoadBias): Remote => remote(address + bias);
export const toVaddr = (address: Remote, bias: LoadBias): Vaddr => vaddr(address - bias);
export const plus = <A extends Vaddr | Remote>(address: A, offset: number | bigint): A =>
  BigInt.asUintN(64, address + BigInt(offset)) as A;

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Rounds up to a multiple of `alignment`, a power of two. */
export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;
export const alignUpBig = (value: bigint, alignment: bigint): bigint => (value + alignment - 1n) & -alignment;
export const alignDownBig = (value: bigint, alignment: bigint): bigint => value & -alignment;
