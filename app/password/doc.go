// Package password hashes and compares passwords with bcrypt on a bounded
// pool of its own, and knows the complexity rules of contract 01 §5.2.
//
// bcrypt at cost 12 takes about 140 ms of one core. Run on the goroutines of
// the request scheduler, a few logins make every other request wait; measured
// on two cores, two concurrent logins took the 99th percentile of reads from
// 3 to 60 ms. Therefore each worker owns an operating-system thread at lower
// priority (Linux), and whoever owns the pool raises GOMAXPROCS by the number
// of workers (RaiseProcs), so that the kernel and not the Go scheduler decides
// who gives way. The pool does not raise it itself: several pools may live in
// one process, and GOMAXPROCS belongs to the process.
package password
