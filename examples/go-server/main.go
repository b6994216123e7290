// Command go-server answers with the commit it was built from.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// commit is set by the linker: -ldflags "-X main.commit=...".
var commit = "unknown"

func routes() http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "built from", commit)
	})
	router.Get("/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello,", chi.URLParam(r, "name"))
	})
	return router
}

func main() {
	server := &http.Server{
		Addr:              ":8080",
		Handler:           routes(),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Println("commit", commit, "listening on", server.Addr)
	log.Fatal(server.ListenAndServe())
}
