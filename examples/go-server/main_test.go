package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHello(t *testing.T) {
	recorder := httptest.NewRecorder()
	routes().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/hello/ada", nil))
	if got, want := recorder.Body.String(), "hello, ada\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
