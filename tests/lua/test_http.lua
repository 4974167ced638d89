-- test_http: what scripts may fetch, from whom, and where a redirect may lead.
-- SPDX-License-Identifier: MIT
local t = require "test"
local base64 = require "base64"
local http = require "http"
local media = require "media"
local task = require "task"

local function answer(status, body, headers)
   t.answer { { head = status, headers = headers or "" }, { data = body or "" }, { done = true } }
end

local function redirect(status, to)
   answer(status, "moved", "Location: " .. to .. "\r\n")
end

local function refused(code, words, url, opts)
   local got, err = http.fetch(url, opts)
   t.equal(got, nil)
   t.equal(err.code, code)
   t.ok(err.message:find(words, 1, true), err.message)
end

t.case("a fetch", function()
   answer(200, "hello", "Content-Type: text/plain\r\nX-A: 1\r\nx-a: 2\r\n")
   local got, err = http.fetch("https://API.test/a/../x?q=1#frag", { headers = { authorization = "k" } })
   t.equal(err, nil)
   t.equal(got.status, 200)
   t.equal(got.body, "hello")
   t.equal(got.headers["content-type"], "text/plain")
   t.equal(got.headers["x-a"], "1, 2")
   t.equal(got.url, "https://api.test/x?q=1")
   local sent = t.requests()[1]
   t.equal(sent.method, "GET")
   t.equal(sent.url, "https://api.test/x?q=1")
   t.equal(sent.headers, "authorization: k\n")
   t.equal(sent.public_only, true)
   t.equal({ sent.connect, sent.total }, { 10, 30 })
end)

t.case("every status is an answer", function()
   for _, status in ipairs { 204, 304, 404, 500 } do
      answer(status, "x")
      t.equal(http.fetch("http://api.test/").status, status)
   end
   redirect(302, "")
   t.equal(http.fetch("http://api.test/", { redirects = 0 }).status, 302)
   answer(302, "no location")
   t.equal(http.fetch("http://api.test/").status, 302)
end)

t.case("a body", function()
   answer(200)
   t.equal(http.fetch("http://api.test/", { body = "{}", headers = { ["Content-Type"] = "a/b" } }).body, "")
   t.equal(t.requests()[1].method, "POST")
   t.equal(t.requests()[1].body, "{}")
   answer(200)
   http.fetch("http://api.test/", { method = "DELETE" })
   t.equal(t.requests()[2].method, "DELETE")
end)

t.case("only allowed hosts", function()
   for _, url in ipairs { "http://evil.test/", "https://api.test.evil.test/", "https://many.test/",
      "https://api.test:8443/", "http://other.test/", "http://127.0.0.1/", "http://[::1]/" } do
      refused("auth", "not an allowed host", url)
   end
   for _, url in ipairs { "https://a.many.test/", "https://a.b.many.test/", "http://other.test:81/" } do
      answer(200)
      t.equal(http.fetch(url).status, 200)
   end
   refused("bad_request", "names a user", "http://api.test@evil.test/")
   refused("bad_request", "neither http: nor https:", "file:///etc/passwd")
   refused("bad_request", "written in full", "http://127.1/")
   t.equal(#t.requests(), 3)
end)

t.case("redirects are followed by the same rules", function()
   redirect(301, "/two")
   redirect(302, "https://x.many.test/three")
   answer(200, "here")
   local got = http.fetch("http://api.test/one", { headers = { authorization = "k", accept = "a/b" } })
   t.equal(got.body, "here")
   t.equal(got.url, "https://x.many.test/three")
   local sent = t.requests()
   t.equal(sent[2].url, "http://api.test/two")
   t.equal(sent[2].headers, sent[1].headers)
   t.equal(sent[3].headers, "accept: a/b\n") -- no key goes to another host
   t.equal(sent[3].public_only, true)
   redirect(302, "http://169.254.169.254/latest/meta-data")
   refused("auth", "not an allowed host", "http://api.test/")
   redirect(302, "http://evil.test/")
   refused("auth", "evil.test:80: not an allowed host", "http://api.test/")
   redirect(302, "http://api.test/")
   refused("bad_response", "from https: to http:", "https://api.test/")
   redirect(302, "file:///etc/passwd")
   refused("bad_response", "not a URL to fetch", "https://api.test/")
   redirect(302, "http://api.test:81/") -- another port is another host
   refused("auth", "not an allowed host", "http://api.test/")
end)

t.case("at most five", function()
   for i = 1, 6 do redirect(302, "/" .. i) end
   refused("bad_response", "too many times", "http://api.test/")
   t.equal(#t.requests(), 6)
   for i = 1, 2 do redirect(302, "/" .. i) end
   refused("bad_response", "too many times", "http://api.test/", { redirects = 1 })
end)

t.case("methods and bodies after a redirect", function()
   local function sent_after(status, method, to)
      local body = method ~= "GET" and method ~= "HEAD" and "secret" or nil
      redirect(status, to)
      answer(200)
      local got, err = http.fetch("http://api.test/",
         { method = method, body = body, headers = { ["content-type"] = "a/b" } })
      local all = t.requests()
      local last = all[#all]
      return got and last.method .. " " .. last.body .. " " .. last.headers, err
   end
   t.equal(sent_after(302, "POST", "/x"), "GET  ")
   t.equal(sent_after(303, "PUT", "/x"), "GET  ")
   t.equal(sent_after(303, "HEAD", "/x"), "HEAD  content-type: a/b\n")
   t.equal(sent_after(301, "PUT", "/x"), "PUT secret content-type: a/b\n")
   t.equal(sent_after(307, "POST", "/x"), "POST secret content-type: a/b\n")
   t.equal(sent_after(308, "GET", "http://a.many.test/x"), "GET  ")
   redirect(307, "http://a.many.test/x")
   refused("bad_response", "with its body to another host", "http://api.test/", { body = "secret" })
end)

t.case("limits", function()
   t.answer { { at = 9, head = 200, headers = "" }, { data = "x" }, { done = true } }
   http.fetch("http://api.test/", { timeout = 2 })
   local sent = t.requests()[1]
   t.equal({ sent.connect, sent.total }, { 2, 2 })
   t.answer { { at = 1.5, head = 302, headers = "location: /x\r\n" }, { done = true } }
   answer(200)
   http.fetch("http://api.test/", { timeout = 2 })
   t.equal(t.requests()[3].total, 0.5) -- what is left
   t.answer { { at = 2, head = 302, headers = "location: /x\r\n" }, { done = true } }
   refused("timeout", "no answer in time", "http://api.test/", { timeout = 2 })
   answer(200, ("x"):rep(100))
   refused("bad_response", "limit of 99 bytes", "http://api.test/", { max_bytes = 99 })
   t.answer { { fail = "unavailable", message = "cannot connect" } }
   refused("unavailable", "cannot connect", "http://api.test/")
end)

t.case("a task that ends takes its fetch along", function()
   t.answer { { at = 60, head = 200, headers = "" }, { done = true } }
   local got, err = task.within(1, function() return http.fetch("http://api.test/") end)
   t.equal(got, nil)
   t.equal(err.code, "timeout")
   t.equal(t.requests()[1].cancelled, true)
end)

t.case("wrong use", function()
   local function raises(words, ...)
      local arguments = { ... }
      t.raises(function() http.fetch(table.unpack(arguments)) end, words)
   end
   raises("string expected", nil)
   raises("unknown option 'metod'", "http://api.test/", { metod = "GET" })
   raises("method must be", "http://api.test/", { method = "TRACE" })
   raises("method must be", "http://api.test/", { method = "get" })
   raises("timeout must be", "http://api.test/", { timeout = 0 })
   raises("redirects must be", "http://api.test/", { redirects = 6 })
   raises("max_bytes must be", "http://api.test/", { max_bytes = "x" })
   raises("'host' is not", "http://api.test/", { headers = { host = "evil.test" } })
   raises("'Content-Length' is not", "http://api.test/", { headers = { ["Content-Length"] = "3" } })
   raises("no header", "http://api.test/", { headers = { ["a b"] = "3" } })
   raises("no header", "http://api.test/", { headers = { a = "3\r\nx: y" } })
   raises("names and texts", "http://api.test/", { headers = { a = 3 } })
   raises("body must be", "http://api.test/", { body = 7 })
end)

-- ---- media ----

local PNG = "\137PNG\r\n\26\n" .. ("\0"):rep(30)

t.case("an image by its URL", function()
   answer(200, PNG, "content-type: image/png\r\n")
   local got, err = media.inline("https://pictures.example/a.png")
   t.equal(err, nil)
   t.equal(got, { mime = "image/png", data = base64.encode(PNG) })
   local sent = t.requests()[1]
   t.equal(sent.public_only, true) -- any host, as far as it is public
   t.equal({ sent.connect, sent.total }, { 10, 20 })
   answer(200, PNG, "content-type: application/octet-stream\r\n")
   t.equal(media.inline("HTTPS://pictures.example/a").mime, "image/png")
   answer(200, PNG)
   t.equal(media.inline("http://pictures.example/a").mime, "image/png")
   redirect(302, "https://cdn.example/a.pdf")
   answer(200, "%PDF-1.7", "content-type: application/pdf; x=y\r\n")
   t.equal(media.inline("https://pictures.example/a").mime, "application/pdf")
end)

t.case("what is no image", function()
   local function no(words, url, opts)
      local got, err = media.inline(url or "https://pictures.example/a", opts)
      t.equal(got, nil)
      t.equal(err.code, "bad_request")
      t.ok(not err.retryable)
      t.ok(err.message:find(words, 1, true), err.message)
   end
   answer(200, "<html>", "content-type: text/html\r\n")
   no "text/html"
   answer(200, "?", "")
   no "unknown"
   answer(404, PNG, "content-type: image/png\r\n")
   no "status 404"
   answer(200, ("x"):rep(20), "content-type: image/png\r\n")
   no("limit of 10 bytes", nil, { max_bytes = 10 })
   t.answer { { fail = "timeout", message = "total timeout" } }
   no "total timeout"
   redirect(302, "http://user:pw@x.example/")
   no "not a URL to fetch"
   no("names a user", "http://user@x.example/")
   no("written in full", "http://0x7f000001/")
end)
