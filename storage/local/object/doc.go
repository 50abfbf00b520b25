// Package object keeps files of a store in object storage: a bucket of the S3
// API, or a plain directory, such as one of a network file system.
//
// It owns how the two are spoken to, what their errors mean, and what is done
// about them: timeouts, retries and a circuit breaker stand around every
// request (Guarded). It knows nothing of what is in an object.
//
// It may import nothing of ours. The directory and the files that hold secrets
// are reached through the file system that it is given.
package object
