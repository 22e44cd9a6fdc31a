/** What a receiver says about the requests that came: responses and success reports. */
import type { RequestHead } from './head.ts';
import { freshTid, reasonPhrase, renderReport, renderResponse } from './render.ts';

export type Answerable = Pick<
  RequestHead,
  'method' | 'tid' | 'toPath' | 'fromPath' | 'failureReport' | 'successReport' | 'messageId'
>;

export type Reportable = Pick<RequestHead, 'fromPath' | 'messageId' | 'successReport'> & {
  readonly failureReport?: RequestHead['failureReport'] | undefined;
};

export interface Answers {
  /** A response, unless the request wants none of this kind; never one to a REPORT (§7.1.2). */
  respond(request: Answerable, status: number): void;
  /** A success or failure report on a whole message, when it is wanted. */
  report(request: Reportable, bytes: number, status: number): void;
}

export function answers(options: {
  readonly localUri: string;
  readonly random: (octets: number) => Uint8Array;
  write(parts: readonly Uint8Array[]): void;
}): Answers {
  const { localUri, random, write } = options;
  const own = [localUri];

  return {
    respond({ method, tid, fromPath, failureReport = 'yes' }, status) {
      // RFC 4975 §7.2: with `partial` errors alone are answered, with `no` nothing is.
      const wanted = failureReport === 'yes' || (failureReport === 'partial' && status >= 300);
      if (!wanted || method === 'REPORT') return;
      // RFC 4975 §7.2: a SEND is answered to the first hop alone.
      const toPath = method === 'SEND' ? fromPath.slice(0, 1) : fromPath;
      write([renderResponse({ tid, status, toPath, fromPath: own })]);
    },
    report({ fromPath, messageId = '', successReport, failureReport }, bytes, status) {
      if (status < 300 ? successReport !== 'yes' : failureReport === 'no') return;
      write([
        renderReport({
          tid: freshTid([], random),
          toPath: fromPath,
          fromPath: own,
          messageId,
          byteRange: { start: 1, end: bytes, total: bytes },
          status: { namespace: '000', code: status, comment: reasonPhrase(status) },
        }),
      ]);
    },
  };
}
