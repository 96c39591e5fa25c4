// Command bench measures Freshet beside the floors of the same run on the same
// machine: the engine alone, a file to nowhere, Kafka to Redis and Kafka, and
// the time from an event in Kafka to its value readable in Redis.
//
//	go run ./bench            everything (needs scripts/services up)
//	go run ./bench engine     without any service
//
// A speed is worth little alone on a shared machine: read the ratios. Numbers
// that we stand by are in README.md, with the machine and the command.
package main
