// What stands behind "#" in an address is MLflow's page, and never sent: it is put into the form, and
// into the link that leads to who says who somebody is.

const place = document.querySelector("input[name=place]");
place.value = window.location.hash;

const link = document.querySelector(".mw-log-in-by");
if (window.location.hash) {
  link.search += `&place=${encodeURIComponent(window.location.hash)}`;
}
