/** For tests of programs that embed the library: the store that keeps nothing. */
export { memoryStore } from './adapters/store/memory.ts';
