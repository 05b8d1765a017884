package api

// PreparedBytes is the estimate that the tests compare.
var PreparedBytes = preparedBytes
