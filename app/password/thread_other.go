//go:build !linux

package password

// setThreadNice does nothing: threads have no nice value of their own here.
func setThreadNice(int) error { return nil }
