// Pong is the tutorial's server, with knobs by which a test can make a version misbehave.
//
//	GET /ping     "pong"
//	GET /version  the value of PONG_VERSION
//
// Knobs (environment): PONG_ERROR_RATE (share 0..1 answered with 500), PONG_SLOW_RATE (share 0..1 delayed by
// PONG_SLOW_MS milliseconds), PONG_NOT_READY=true (kubelet's probes get 503), PONG_CRASH_AFTER (seconds until exit 3).
// Probes of the kubelet never meet errors or delays, so that a bad version can still be a ready one.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type knobs struct {
	version   string
	errorRate float64
	slowRate  float64
	slow      time.Duration
	notReady  bool
	crash     time.Duration
}

func number(name string) float64 {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value < 0 {
		log.Fatalf("%s must be a number of at least 0, not %q", name, text)
	}
	return value
}

func fromEnvironment() knobs {
	version := os.Getenv("PONG_VERSION")
	if version == "" {
		version = "v1"
	}
	return knobs{
		version:   version,
		errorRate: number("PONG_ERROR_RATE"),
		slowRate:  number("PONG_SLOW_RATE"),
		slow:      time.Duration(number("PONG_SLOW_MS") * float64(time.Millisecond)),
		notReady:  os.Getenv("PONG_NOT_READY") == "true",
		crash:     time.Duration(number("PONG_CRASH_AFTER") * float64(time.Second)),
	}
}

func (k knobs) answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "kube-probe/") {
			if k.notReady {
				http.Error(w, "not ready", http.StatusServiceUnavailable)
				return
			}
		} else {
			if rand.Float64() < k.slowRate {
				time.Sleep(k.slow)
			}
			if rand.Float64() < k.errorRate {
				http.Error(w, k.version+" fails on purpose", http.StatusInternalServerError)
				return
			}
		}
		fmt.Fprintln(w, text)
	}
}

func main() {
	k := fromEnvironment()
	if k.crash > 0 {
		time.AfterFunc(k.crash, func() { log.Print("crash on purpose"); os.Exit(3) })
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", k.answer("pong"))
	mux.HandleFunc("GET /version", k.answer(k.version))
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	go func() {
		<-stop.Done()
		// Requests that are under way when the pod is deleted are answered before the process ends.
		deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(deadline); err != nil {
			log.Print(err)
		}
	}()
	log.Printf("pong %s listens on %s", k.version, server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stop.Done()
}
