import { parseDigits } from './token.ts';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const DAY_MS = 86_400_000;
/** 9999-12-31T23:59:59.999Z: a SIP-date has four digits for the year. */
const LAST_MS = 253_402_300_799_999;
const DAYS_IN_ERA = 146_097;
/** From 0000-03-01, where the count of days below starts, to 1970-01-01. */
const EPOCH_DAY = 719_468;

const digits = (value: number, width: number) => String(value).padStart(width, '0');

/**
 * `Sun, 22 Nov 2026 09:15:02 GMT` (RFC 3261 §20.17); fractions of a second are dropped. Throws
 * outside the years 0000 to 9999, which have no such form.
 */
export function renderSipDate(epochMs: number): string {
  const day = Math.floor(epochMs / DAY_MS);
  const { year, month, date } = civil(day);
  if (!(year >= 0 && epochMs <= LAST_MS)) throw new Error(`${epochMs} ms is no SIP-date`);
  const seconds = Math.floor((epochMs - day * DAY_MS) / 1000);
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  // 1970-01-01 was a Thursday.
  const weekday = DAYS[(((day + 4) % 7) + 7) % 7];
  const clock = time.map((part) => digits(part, 2)).join(':');
  return `${weekday}, ${digits(date, 2)} ${MONTHS[month - 1]} ${digits(year, 4)} ${clock} GMT`;
}

/**
 * Epoch milliseconds of a SIP-date; `undefined` for every other form and for days and times that
 * do not exist. Only GMT is legal (RFC 4475 §3.1.2.12). The weekday need not match the date.
 */
export function parseSipDate(text: string): number | undefined {
  if (text.length !== 29 || !DAYS.includes(text.slice(0, 3)) || text.slice(25) !== ' GMT') {
    return undefined;
  }
  const separators = `${text.slice(3, 5)}${text[7]}${text[11]}${text[16]}${text[19]}${text[22]}`;
  if (separators !== ',    ::') return undefined;
  const date = parseDigits(text.slice(5, 7), 31);
  const month = MONTHS.indexOf(text.slice(8, 11)) + 1;
  const year = parseDigits(text.slice(12, 16), 9999);
  const hour = parseDigits(text.slice(17, 19), 23);
  const minute = parseDigits(text.slice(20, 22), 59);
  // 60: a leap second, the first of the next minute to us.
  const second = parseDigits(text.slice(23, 25), 60);
  if (date === undefined || month === 0 || year === undefined) return undefined;
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  const day = dayOf(year, month, date);
  // 31 April is 1 May.
  if (civil(day).date !== date) return undefined;
  return day * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** Days since the epoch of a date of the Gregorian calendar, counted from March on. */
function dayOf(year: number, month: number, date: number): number {
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + date - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * DAYS_IN_ERA + dayOfEra + dayOfYear - EPOCH_DAY;
}

function civil(day: number): { year: number; month: number; date: number } {
  const shifted = day + EPOCH_DAY;
  const era = Math.floor(shifted / DAYS_IN_ERA);
  const dayOfEra = shifted - era * DAYS_IN_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const date = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, date };
}
