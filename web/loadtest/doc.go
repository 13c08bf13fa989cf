// Package loadtest is `defarm loadtest`: it puts a running server under the load
// of a number of clients and reports throughput, error rate, latencies and
// statuses, like the reports that operators of the original server know.
//
// # What is measured
//
// A client sends its next request when the last one is answered (a closed
// loop), over kept-alive connections, without repeating anything: a refusal is
// an error in the report. A latency runs from handing the request to the
// network until its answer is read whole. With a fixed rate it runs from the
// moment at which the request was due instead, so that a server that stalls is
// charged for the requests that had to wait behind the stall.
//
// All clients are one account, whose limits (limits.user) are theirs together:
// by default 10,000 requests a second and a burst of 100,000. Requests over them
// (429) are counted apart, since they say nothing of the capacity; on a machine
// that does more, switch the limit off.
//
// The warm-up is a phase of its own whose figures are dropped. Requests under
// way when the time is over are waited for and counted: the slowest ones are
// what one wants to see.
//
// Latencies are kept in histograms of three significant digits, from 1 µs to
// 10 min, whose size does not grow with the length of the test.
package loadtest
