import { type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { getRseqArea } from '../sys/ptrace.ts';
import type { TargetMemory } from './memory.ts';

/** struct rseq, include/uapi/linux/rseq.h: pointer to the critical section. */
const RSEQ_CS = 8;
/** struct rseq_cs: u32 version, flags; u64 start_ip, post_commit_offset, abort_ip. */
const RSEQ_CS_SIZE = 32;

/**
 * True if the stopped thread is inside of a restartable sequence: the kernel aborts it only when it sees the pc there,
 * so a thread that was led elsewhere and back would go on in the middle.
 */
export function inRestartableSequence(memory: TargetMemory, tid: number, pc: Remote): boolean {
  const area = getRseqArea(tid);
  if (area === undefined) return false;
  const pointer = memory.tryRead(remote(area + BigInt(RSEQ_CS)), 8);
  if (pointer === undefined) return false;
  const section = viewOf(pointer).getBigUint64(0, true);
  if (section === 0n) return false;
  const bytes = memory.tryRead(remote(section), RSEQ_CS_SIZE);
  if (bytes === undefined) return false;
  const start = viewOf(bytes).getBigUint64(8, true);
  const size = viewOf(bytes).getBigUint64(16, true);
  return BigInt.asUintN(64, pc - start) < size;
}
