// Package demo holds what a demonstration server is filled with: the accounts
// that `serve --demo` seeds, and a herd to import into it.
//
// # The herd
//
// herd.csv is written as an exporter's herd-management system writes such a
// file: one animal a line, SISBOV numbers as BR and twelve digits, transponder
// codes of fifteen digits, the breeder's own ear tag, the farm's CAR code, a
// live weight in kilograms with a decimal point, dates as year-month-day except
// for one farm that keeps the Brazilian form. Nothing in it is real: numbers,
// farms and animals are invented.
//
// It is deliberately as untidy as real files are. Some animals carry two
// canonical identifiers, some one, some only an ear tag. Values are missing.
// HerdRepeats lines are further weighings of an animal that is listed above,
// under the same number in another spelling or under its other number. And
// HerdRefused lines cannot be accepted: impossible dates, weights that are no
// number, identifiers of the wrong length, no identifier at all.
package demo
