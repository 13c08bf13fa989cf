package password

import (
	"runtime"
	"sync"
)

// RaiseProcs raises GOMAXPROCS by n, the number of workers of a pool, and
// returns a function that takes it back; calling that twice does nothing more.
// It is for the owner of a process's pool, once at start: raising is not
// atomic against others who set GOMAXPROCS, and from then on the runtime no
// longer follows changes of the CPU quota by itself.
func RaiseProcs(n int) (restore func()) {
	if n < 1 {
		return func() {}
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	return sync.OnceFunc(func() {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)-n))
	})
}
