package password

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// setThreadNice lowers the calling thread's priority. On Linux the nice value
// belongs to the thread, whatever POSIX says of processes.
func setThreadNice(nice int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice); err != nil {
		return fmt.Errorf("set thread priority: %w", err)
	}
	return nil
}
