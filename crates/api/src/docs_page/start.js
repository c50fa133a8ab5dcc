"use strict";
// A file of its own: the page's policy allows no script inside the page.
SwaggerUIBundle({
  dom_id: "#docs",
  url: document.getElementById("docs").dataset.document,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // The default asks another host whether the document is valid.
  validatorUrl: null,
  // Whoever pastes a key alone means `Token <key>`.
  requestInterceptor: (request) => {
    const key = request.headers.Authorization;
    if (key && !key.trim().includes(" ")) request.headers.Authorization = `Token ${key.trim()}`;
    return request;
  },
});
