import django
from common import A, B, DATABASE, HOST, OWN, PORT, SERVICE, check
from django.conf import settings

settings.configure(INSTALLED_APPS=[], ATOMIC_REQUESTS=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x",
                   DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": DATABASE, "HOST": HOST,
                                          "PORT": PORT, "USER": "app", "PASSWORD": SERVICE, "CONN_MAX_AGE": None,
                                          "OPTIONS": {"sslmode": "disable"}}})
django.setup()
from django.db import connection, models, transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.test import RequestFactory  # noqa: E402


class Lead(models.Model):
    tenant_id = models.TextField()
    name = models.TextField()

    class Meta:
        app_label, db_table, managed = "leads", "leads", False


# recipe: django
class TenantMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL moat.tenant_token = %s", [token])
            return self.get_response(request)
# end


def view(request):
    names = list(Lead.objects.order_by("name").values_list("name", flat=True))
    iterated = [lead.name for lead in Lead.objects.order_by("name").only("name").iterator(chunk_size=1)]
    try:
        with transaction.atomic():
            Lead.objects.raw("select 1/0 as id")[0]
    except django.db.DataError:
        pass
    return JsonResponse([names, iterated, Lead.objects.filter(name__startswith=names[0][0]).count()], safe=False)


for token in (A, B, B, A):
    request = RequestFactory().get("/", HTTP_AUTHORIZATION="Bearer " + token)
    import json
    got = json.loads(TenantMiddleware(view)(request).content)
    check("one pool", got, [OWN[token], OWN[token], len(OWN[token])])
    check("without a request", Lead.objects.count(), 0)
try:
    TenantMiddleware(view)(RequestFactory().get("/", HTTP_AUTHORIZATION="Bearer x.y.z"))
    raise SystemExit("a wrong token is taken")
except django.db.Error as error:
    check("a wrong token", error.__cause__.pgcode, "28P01")
