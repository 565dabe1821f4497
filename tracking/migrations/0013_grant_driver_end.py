from django.db import migrations, models

from tracking.migrations._concurrent import AddIndexWithoutBlocking


class Migration(migrations.Migration):
    # PostgreSQL builds an index beside writers only outside of transactions.
    atomic = False

    dependencies = [
        ('tracking', '0012_grant_trip'),
    ]

    operations = [
        AddIndexWithoutBlocking(
            model_name='watchgrant',
            index=models.Index(fields=['driver', 'ends_at'], name='tracking_grant_driver_end'),
        ),
    ]
