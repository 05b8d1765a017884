package postgres

import "syscall"

const (
	sharedMemory = "/dev/shm"
	tmpfsMagic   = 0x01021994 // statfs(2)
	enoughMemory = 4 << 30
)

// MemoryDir returns a folder in memory with 4 GiB to spare, for [Options].Temp;
// empty when there is none. A database is 300 files: making and dropping one takes
// 17 ms in memory, on ext4 60 to 160.
func MemoryDir() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &fs); err != nil || fs.Type != tmpfsMagic {
		return ""
	}
	if fs.Bavail*uint64(fs.Bsize) < enoughMemory {
		return ""
	}
	return sharedMemory
}
