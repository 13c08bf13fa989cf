package servertest

import (
	"bytes"
	"context"
	"errors"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// labelKey is the profiler label that a server's goroutines carry. Goroutines
// inherit labels from those that start them, so that a server's can be told
// from those of the tests and servers that run beside it.
const labelKey = "servertest"

// servers numbers the servers of the process, for their labels.
var servers atomic.Int64

// labelled runs fn so that the goroutines it starts carry a label of their own.
func labelled(fn func(context.Context) error) (label string, err error) {
	label = strconv.FormatInt(servers.Add(1), 10)
	pprof.Do(context.Background(), pprof.Labels(labelKey, label), func(ctx context.Context) { err = fn(ctx) })
	return label, err
}

// waitForEnd waits until no goroutine carries the label, or ctx ends, and
// returns the stacks of those that are left.
func waitForEnd(ctx context.Context, label string) string {
	// A goroutine that has told others that it is done may still take a
	// moment to end, and there is no event for that.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		left, err := goroutines(label)
		if err != nil {
			return err.Error()
		}
		if left == "" {
			return ""
		}
		select {
		case <-ctx.Done():
			return left
		case <-tick.C:
		}
	}
}

// goroutines gives the stacks that carry the label.
func goroutines(label string) (string, error) {
	profile := pprof.Lookup("goroutine")
	if profile == nil {
		return "", errors.New("no goroutine profile")
	}
	var text bytes.Buffer
	if err := profile.WriteTo(&text, 1); err != nil {
		return "", err
	}
	mark := strconv.Quote(labelKey) + ":" + strconv.Quote(label)
	var found []string
	for block := range strings.SplitSeq(text.String(), "\n\n") {
		if strings.Contains(block, mark) {
			found = append(found, block)
		}
	}
	return strings.Join(found, "\n\n"), nil
}
