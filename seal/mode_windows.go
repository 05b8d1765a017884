package seal

// permissionsMatter says that a file's mode tells who may read it; on Windows it does
// not.
const permissionsMatter = false
