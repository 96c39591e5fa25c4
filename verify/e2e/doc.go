// Package e2e proves the built binary against a real Kafka and a real Redis:
// it generates traffic, lets the process be stopped and killed under it, and
// hands the dumped topics and rows to verify/checks. It has tests only.
package e2e
