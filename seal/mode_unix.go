//go:build !windows

package seal

// permissionsMatter says that a file's mode tells who may read it.
const permissionsMatter = true
