SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, docExpansion: "none", tryItOutEnabled: true, validatorUrl: null });
