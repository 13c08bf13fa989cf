package password

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestThreadNiceStaysOnItsThread(t *testing.T) {
	t.Parallel()
	type result struct {
		nice int
		err  error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		if err := setThreadNice(7); err != nil {
			results <- result{err: err}
			return
		}
		prio, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		results <- result{nice: 20 - prio, err: err} // the kernel returns 20 - nice
	}()
	got := <-results
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.nice != 7 {
		t.Errorf("worker thread has nice %d, want 7", got.nice)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	prio, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		t.Fatal(err)
	}
	if 20-prio == 7 {
		t.Errorf("another thread has nice 7 too")
	}
}
